"""The stream model's side of Triton: requests in, events out, and exactly one final flag for each."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import numpy as np
import torch
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from triologue.schema import (
    DiarizedAsrOptions,
    Event,
    InvalidAudio,
    InvalidOption,
    ResultEvent,
    StreamParams,
    TriologueError,
)
from triologue_server.conductor.admission import Admission
from triologue_server.conductor.caller import Caller
from triologue_server.conductor.request import read_parameters
from triologue_server.conductor.run import Run
from triologue_server.decoding.pool import Decoder
from triologue_server.diarization.networks import load_from_store
from triologue_server.diarization.pipeline import without_weights
from triologue_server.settings import Settings
from triologue_server.store import ModelStore, StoreError, resolve_whisper
from triologue_server.transcription.processor import WhisperProcessor
from triologue_server.triton import stopping
from triologue_server.triton.conductor_metrics import ConductorMetrics
from triologue_server.triton.cores import TritonCores, queues
from triologue_server.triton.entry import Entry
from triologue_server.triton.errors import error_response, typed

_SEEN_S = 0.1  # in which Triton looks at what it has started


class StreamServer:
    """Runs a bounded number of recordings at once, each in a coroutine of its own; a bounded number waits."""

    def __init__(self, settings: Settings) -> None:
        limits = settings.limits
        self._diarizer = without_weights(load_from_store(settings))
        self._processor = _processor(settings)
        self._limits = limits
        self._decoder = Decoder(limits)
        self._callers: dict[str, Caller] = {}
        self._metrics = ConductorMetrics()
        self._admission = Admission(limits, self._metrics.count, stopping.is_announced)
        self._queues = queues(settings, torch.cuda.is_available())
        calls = sum(queue.places for queue in set(self._queues.values()))
        # Decoding must not take the threads that wait for the cores: BLS waits on the event loop's default
        # executor, and a handful of recordings would wait for each other for ever.
        self._bls_pool = ThreadPoolExecutor(calls, "bls")
        self._pool = ThreadPoolExecutor(limits.recordings_in_flight, "recording")
        self._clustering = ThreadPoolExecutor(1, "clustering")
        # What was loaded stays, and need not be looked through each time: that takes 200 ms instead of one.
        gc.freeze()

    async def execute(self, requests: Sequence[pb_utils.InferenceRequest]) -> None:
        """Serve requests; returns when all of them have ended."""
        asyncio.get_running_loop().set_default_executor(self._bls_pool)
        await asyncio.gather(*(self._serve(request) for request in requests))
        # What ends before Triton has looked at it, Triton keeps for ever, and logs an error (2.51).
        await asyncio.sleep(_SEEN_S)

    async def _serve(self, request: pb_utils.InferenceRequest) -> None:
        """Serve one request. No exception leaves here: the caller would wait for ever."""
        sender, final = request.get_response_sender(), pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        try:
            entry = Entry(request, self._metrics)
        except Exception as error:
            sender.send(error_response(error), flags=final)
            return
        with entry.traced():
            try:
                await self._answer(request, entry, sender)
            except BaseException as error:
                try:
                    sender.send(error_response(self._failure(error, entry)), flags=final)
                except Exception:
                    sender.send(flags=final)
            else:
                sender.send(flags=final)

    async def _answer(
        self, request: pb_utils.InferenceRequest, entry: Entry, sender: pb_utils.InferenceResponseSender
    ) -> None:
        call, options = read_parameters(entry.parameters)
        if call.cancels is not None:
            self._call_off(call.cancels)
            return

        def send(event: Event | None) -> None:
            sender.send(_response(None if event is None else event.model_dump_json()))

        # Triton's own parameter `timeout`, in microseconds, of which a queue may have used up a part.
        timeout_s = call.timeout_s or (request.timeout() / 1e6 or None)
        caller = Caller(send, sender.is_cancelled, call.events, call.heartbeat, timeout_s)
        entry.asks_for(call.pipeline)
        try:
            with self._known_as(call.call_id, caller):
                await caller.attended(self._work(request, entry, call, options, caller))
        except Exception as error:
            if call.errors == "reply":
                raise
            failure = self._failure(error, entry)
            sender.send(_response(json.dumps({"type": "error", "error": failure.to_wire()})))

    async def _work(
        self,
        request: pb_utils.InferenceRequest,
        entry: Entry,
        call: StreamParams,
        options: DiarizedAsrOptions,
        caller: Caller,
    ) -> None:
        async with AsyncExitStack() as turn:
            with entry.waiting():
                await turn.enter_async_context(self._admission.turn(_size(request, call.encoding)))
            run = Run(
                call.pipeline,
                options,
                TritonCores(self._queues, self._metrics.window, self._metrics.core_waited_for),
                self._decoder.decode,
                self._diarizer,
                self._processor,
                self._limits,
                self._pool,
                self._clustering,
                caller.tell,
            )
            # Nothing here keeps the upload, so that it can go when it is decoded.
            result = entry.named(await run.answer(_take_upload(request, call.encoding)))
        # Its place is free by the time that the caller may come again.
        await caller.tell(ResultEvent(result=result))
        entry.answered(result)

    def _failure(self, error: BaseException, entry: Entry) -> TriologueError:
        failure = typed(error)
        entry.failed(failure)
        # Errors and the frames that they came through hold each other, and the recording: hours of audio
        # would stay until Python looks for such circles, which may take long.
        asyncio.get_running_loop().call_soon(gc.collect)
        return failure

    @contextmanager
    def _known_as(self, call_id: str | None, caller: Caller) -> Iterator[None]:
        """Let the caller be called off by that name."""
        if call_id is None:
            yield
            return
        if call_id in self._callers:
            raise InvalidOption("call_id: another call has it")
        self._callers[call_id] = caller
        try:
            yield
        finally:
            del self._callers[call_id]

    def _call_off(self, call_id: str) -> None:
        caller = self._callers.get(call_id)
        if caller is not None:  # else its call has ended meanwhile
            caller.call_off()

    def close(self) -> None:
        """Let the threads and processes go."""
        self._decoder.close()
        for pool in (self._pool, self._clustering, self._bls_pool):
            pool.shutdown(wait=False, cancel_futures=True)


def _size(request: pb_utils.InferenceRequest, encoding: str) -> int:
    """Return the number of bytes of an upload."""
    (upload,) = _upload_of(request)
    return len(upload) if encoding == "binary" else len(upload) // 4 * 3 - upload[-2:].count(b"=")


def _take_upload(request: pb_utils.InferenceRequest, encoding: str) -> bytes:
    """Take the upload out of a request, whose tensor would keep it until the request is answered.

    Raises:
        InvalidAudio: It is not the base64 text that it should be.
    """
    elements = _upload_of(request)
    upload, elements[0] = elements[0], b""
    if encoding == "binary":
        return bytes(upload)
    try:
        return base64.b64decode(upload, validate=True)
    except ValueError as error:
        raise InvalidAudio(f"the upload is not base64 text: {error}") from None


def _upload_of(request: pb_utils.InferenceRequest) -> NDArray[Any]:
    array: NDArray[Any] = pb_utils.get_input_tensor_by_name(request, "AUDIO").as_numpy()
    return array.reshape(-1)


def _processor(settings: Settings) -> WhisperProcessor | None:
    try:
        folder = ModelStore(settings.models).require(resolve_whisper(settings.whisper.model))
    except StoreError:  # a server that only diarizes needs no Whisper
        return None
    return WhisperProcessor(folder)


def _response(event: str | None) -> pb_utils.InferenceResponse:
    """Return the reply with an event; there is none in that of a heartbeat."""
    if event is None:
        return pb_utils.InferenceResponse([])
    return pb_utils.InferenceResponse([pb_utils.Tensor("EVENT", np.array([event.encode()], object))])
