"""What Triton counts."""

import time
from collections import Counter
from typing import Protocol

import httpx
from prometheus_client.parser import text_string_to_metric_families

from triologue_server.triton.metrics import IN_FLIGHT


class HasMetrics(Protocol):
    """A server that is started."""

    @property
    def metrics_url(self) -> str:
        """Where it tells them."""


def wait_for_recordings(triton: HasMetrics, number: int) -> None:
    """Wait until so many are worked on or wait."""
    until = time.monotonic() + 30
    while counts(triton, IN_FLIGHT)[""] != number:
        assert time.monotonic() < until
        time.sleep(0.02)


def counts(triton: HasMetrics, metric: str) -> Counter[str]:
    """Return a metric by model, or by nothing where it is of the whole server."""
    text = httpx.get(triton.metrics_url).text
    return Counter(
        {
            found.labels.get("model", ""): int(found.value)
            for family in text_string_to_metric_families(text)
            for found in family.samples
            if found.name.removesuffix("_total") == metric
        }
    )


def value(triton: HasMetrics, name: str, **labels: str) -> float:
    """Return what a metric is, such as the `_sum` or `_count` of a histogram."""
    text = httpx.get(triton.metrics_url).text
    (found,) = (
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    )
    return float(found)
