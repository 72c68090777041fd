"""HTTP through tritonclient's gevent client."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput

from triologue.protocol import INPUT, OUTPUT, AnyResult, Request
from triologue.schema import InternalError
from triologue.transport.http_errors import typed_errors

_CONNECT_TIMEOUT_S = 10.0  # a host that does not take a connection by then is not there


class HttpTransport:
    """One connection a request.

    tritonclient's HTTP client is bound to the thread that made it. A recording takes seconds and a connection
    milliseconds, so each request makes a client of its own, and threads may share this class. When the server
    closes a connection without a word, geventhttpclient sends the request again, twice at most.
    """

    def __init__(
        self, url: str, address: str, *, tls: bool, timeout_s: float, headers: Mapping[str, str]
    ) -> None:
        self._url, self._address, self._tls = url, address, tls
        self._timeout_s, self._headers = timeout_s, dict(headers)

    @contextmanager
    def _client(self, timeout_s: float) -> Iterator[Any]:
        with (
            typed_errors(self._url, timeout_s),
            InferenceServerClient(
                self._address,
                ssl=self._tls,
                connection_timeout=min(timeout_s, _CONNECT_TIMEOUT_S),
                network_timeout=timeout_s,
            ) as client,
        ):
            yield client

    def infer(self, request: Request[AnyResult]) -> AnyResult:
        """Send a request and return its answer."""
        tensor = InferInput(INPUT, [1], "BYTES")
        tensor.set_data_from_numpy(np.array([request.audio], np.object_))
        with self._client(self._timeout_s) as client:
            # tritonclient writes its own headers into the mapping it is given.
            reply = client.infer(
                request.model, [tensor], parameters=dict(request.parameters), headers=dict(self._headers)
            )
            output = reply.as_numpy(OUTPUT)
        if output is None or output.size != 1:
            raise InternalError(f"the model {request.model!r} answered without the output {OUTPUT}")
        return request.read(bytes(output.item()))

    def is_live(self, timeout_s: float) -> bool:
        """Say whether the server runs."""
        with self._client(timeout_s) as client:
            return bool(client.is_server_live(headers=dict(self._headers)))

    def is_ready(self, timeout_s: float) -> bool:
        """Say whether the server has loaded all of its models."""
        with self._client(timeout_s) as client:
            return bool(client.is_server_ready(headers=dict(self._headers)))

    def is_model_ready(self, model: str, timeout_s: float) -> bool:
        """Say whether a model takes requests; one that does not exist does not."""
        with self._client(timeout_s) as client:
            return bool(client.is_model_ready(model, headers=dict(self._headers)))

    def server_version(self, timeout_s: float) -> str:
        """Return the version of Triton."""
        with self._client(timeout_s) as client:
            return str(client.get_server_metadata(headers=dict(self._headers))["version"])

    def close(self) -> None:
        """Nothing stays open between requests."""
