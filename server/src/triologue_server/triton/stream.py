"""The stream model's side of Triton: requests in, events out, and exactly one final flag for each."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import triton_python_backend_utils as pb_utils

from triologue.schema import Cancelled, Event, InvalidAudio, ResultEvent, ServerOverloaded
from triologue_server.conductor.request import read_parameters
from triologue_server.conductor.run import Run
from triologue_server.diarization.networks import load_from_store
from triologue_server.diarization.pipeline import without_weights
from triologue_server.settings import Settings
from triologue_server.store import ModelStore, StoreError, resolve_whisper
from triologue_server.transcription.processor import WhisperProcessor
from triologue_server.triton.cores import TritonCores, queues
from triologue_server.triton.errors import error_response
from triologue_server.triton.metrics import IN_FLIGHT


class StreamServer:
    """Runs a bounded number of recordings at once, each in a coroutine of its own; a bounded number waits."""

    def __init__(self, settings: Settings) -> None:
        limits = settings.limits
        self._diarizer = without_weights(load_from_store(settings))
        self._processor = _processor(settings)
        self._limits = limits
        self._accepted = 0
        self._turns = asyncio.Semaphore(limits.recordings_in_flight)
        # Both are kept: a metric whose family is gone is no longer told to anybody.
        self._metrics = pb_utils.MetricFamily(
            name=IN_FLIGHT,
            description="Recordings being worked on or waiting",
            kind=pb_utils.MetricFamily.GAUGE,
        )
        self._in_flight = self._metrics.Metric(labels={})
        self._queues = queues(settings, torch.cuda.is_available())
        calls = sum(queue.places for queue in set(self._queues.values()))
        # Decoding must not take the threads that wait for the cores: BLS waits on the event loop's default
        # executor, and a handful of recordings would wait for each other for ever.
        self._bls_pool = ThreadPoolExecutor(calls, "bls")
        self._pool = ThreadPoolExecutor(limits.recordings_in_flight, "recording")
        self._clustering = ThreadPoolExecutor(1, "clustering")

    async def execute(self, requests: Sequence[pb_utils.InferenceRequest]) -> None:
        """Serve requests; returns when all of them have ended."""
        asyncio.get_running_loop().set_default_executor(self._bls_pool)
        await asyncio.gather(*(self._serve(request) for request in requests))

    async def _serve(self, request: pb_utils.InferenceRequest) -> None:
        """Serve one request. No exception leaves here: the caller would wait for ever."""
        sender, final = request.get_response_sender(), pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        try:
            await self._answer(request, sender)
        except BaseException as error:
            try:
                sender.send(error_response(error), flags=final)
            except Exception:
                sender.send(flags=final)
        else:
            sender.send(flags=final)

    async def _answer(
        self, request: pb_utils.InferenceRequest, sender: pb_utils.InferenceResponseSender
    ) -> None:
        stream, options = read_parameters(json.loads(request.parameters() or "{}"))
        if self._accepted >= self._limits.recordings_in_flight + self._limits.recordings_waiting:
            raise ServerOverloaded(
                f"{self._accepted} recordings are being worked on or waiting; try again later"
            )

        def check_caller() -> None:
            if sender.is_cancelled():
                raise Cancelled("the caller went away")

        async def emit(event: Event) -> None:
            check_caller()
            if stream.events == "all" or isinstance(event, ResultEvent):
                sender.send(_response(event))

        self._count(1)
        try:
            async with self._turns:
                check_caller()
                run = Run(
                    stream.pipeline,
                    options,
                    TritonCores(self._queues, sender.is_cancelled),
                    self._diarizer,
                    self._processor,
                    self._limits,
                    self._pool,
                    self._clustering,
                    emit,
                )
                # Nothing here keeps the upload, so that it can go when it is decoded.
                await emit(ResultEvent(result=await run.answer(_take_upload(request, stream.encoding))))
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self._accepted += change
        self._in_flight.increment(change)

    def close(self) -> None:
        """Let the threads go."""
        for pool in (self._pool, self._clustering, self._bls_pool):
            pool.shutdown(wait=False, cancel_futures=True)


def _take_upload(request: pb_utils.InferenceRequest, encoding: str) -> bytes:
    """Take the upload out of a request, whose tensor would keep it until the request is answered.

    Raises:
        InvalidAudio: It is not the base64 text that it should be.
    """
    elements = pb_utils.get_input_tensor_by_name(request, "AUDIO").as_numpy().reshape(-1)
    upload, elements[0] = elements[0], b""
    if encoding == "binary":
        return bytes(upload)
    try:
        return base64.b64decode(upload, validate=True)
    except ValueError as error:
        raise InvalidAudio(f"the upload is not base64 text: {error}") from None


def _processor(settings: Settings) -> WhisperProcessor | None:
    try:
        folder = ModelStore(settings.models).require(resolve_whisper(settings.whisper.model))
    except StoreError:  # a server that only diarizes needs no Whisper
        return None
    return WhisperProcessor(folder)


def _response(event: Event) -> pb_utils.InferenceResponse:
    return pb_utils.InferenceResponse(
        [pb_utils.Tensor("EVENT", np.array([event.model_dump_json().encode()], object))]
    )
