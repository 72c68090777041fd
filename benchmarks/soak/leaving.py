"""Callers who go away."""

import asyncio
import base64
import json
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from benchmarks.soak.plain import http_request
from benchmarks.soak.plan import Planned
from triologue.protocol.request import STREAM_MODEL
from triologue.schema.parameters import Scalar


async def hang_up(call: Coroutine[Any, Any, object], after_s: float) -> None:
    """Make a call, and go away after so many seconds. Raises what the call raises before."""
    task = asyncio.create_task(call)
    await asyncio.wait({task}, timeout=after_s)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def break_off_upload(url: str, planned: Planned, parameters: Mapping[str, Scalar]) -> None:
    """Send half of a request by HTTP, and close the connection.

    Args:
        url: Of the server.
        planned: The request.
        parameters: Of the request, as Triton takes them.
    """
    audio = planned.clip.audio
    assert isinstance(audio, bytes)  # noqa: S101
    if planned.way.is_plain:
        path = f"/v2/models/{planned.pipeline}/infer"
        headers, body = http_request(audio, parameters)
    else:
        path = f"/v2/models/{STREAM_MODEL}/generate_stream"
        text = base64.b64encode(audio).decode()
        fields = {**parameters, "pipeline": planned.pipeline, "encoding": "base64", "AUDIO": text}
        body = json.dumps(fields).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    server = urlsplit(url)
    lines = [f"POST {path} HTTP/1.1", f"Host: {server.netloc}", *(f"{k}: {v}" for k, v in headers.items())]
    _, writer = await asyncio.open_connection(server.hostname, server.port)
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode() + body[: len(body) // 2])
        await writer.drain()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
