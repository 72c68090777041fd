"""What Triton's statistics say of the models behind the service: how full batches were, and queues."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import BaseModel
from tritonclient.grpc import InferenceServerClient

from triologue.transport.address import Address, with_key

MODELS = ("whisper", "pyannote_segmentation", "speaker_embedding")
"""Those that batch what the requests of all callers need."""

_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Counters:
    """What a model has counted since its server began; the difference of two, in between."""

    inferences: int
    """Items that were computed."""
    executions: int
    """Batches that these were in."""
    queued: int
    """Requests that have waited."""
    queue_ns: int
    """Nanoseconds that they waited, together."""

    def __sub__(self, earlier: "Counters") -> "Counters":
        return Counters(
            self.inferences - earlier.inferences,
            self.executions - earlier.executions,
            self.queued - earlier.queued,
            self.queue_ns - earlier.queue_ns,
        )

    @classmethod
    def of(cls, statistics: Mapping[str, Any]) -> "Counters":
        """Read the statistics of a model, as JSON of Triton. What is 0 may be missing in it."""
        (model,) = statistics["model_stats"]
        queue = model.get("inference_stats", {}).get("queue", {})
        return cls(
            int(model.get("inference_count", 0)),
            int(model.get("execution_count", 0)),
            int(queue.get("count", 0)),
            int(queue.get("ns", 0)),
        )


class ModelUse(BaseModel):
    """How a model was used."""

    inferences: int
    """Items that were computed."""
    mean_batch: float
    """Of these in a batch, on average."""
    mean_queue_ms: float
    """Milliseconds for which a request waited to be in a batch, on average."""


def used(before: Mapping[str, Counters], after: Mapping[str, Counters]) -> dict[str, ModelUse]:
    """Return how the models were used that were used at all."""
    found = {}
    for model in before.keys() & after.keys():
        spent = after[model] - before[model]
        if spent.executions > 0 and spent.queued > 0:
            found[model] = ModelUse(
                inferences=spent.inferences,
                mean_batch=spent.inferences / spent.executions,
                mean_queue_ms=spent.queue_ns / spent.queued / 1e6,
            )
    return dict(sorted(found.items()))


def read(url: str, api_key: str | None) -> dict[str, Counters]:
    """Ask a server for what its models have counted.

    Raises:
        httpx.HTTPError: It does not say, over HTTP.
        tritonclient.utils.InferenceServerException: It does not say, over gRPC.
    """
    address = Address(url, with_key({}, api_key))
    if not address.is_grpc:
        with httpx.Client(timeout=_TIMEOUT_S, headers=dict(address.headers)) as client:
            return {model: Counters.of(_over_http(client, url, model)) for model in MODELS}
    # gRPC takes names of metadata in lower case alone.
    headers = {name.lower(): value for name, value in address.headers.items()}
    with InferenceServerClient(address.target, ssl=address.has_tls) as client:
        return {
            model: Counters.of(
                client.get_inference_statistics(
                    model, headers=headers, as_json=True, client_timeout=_TIMEOUT_S
                )
            )
            for model in MODELS
        }


def _over_http(client: httpx.Client, url: str, model: str) -> Any:
    answer = client.get(f"{url.rstrip('/')}/v2/models/{model}/stats")
    answer.raise_for_status()
    return answer.json()
