"""What Triton counts."""

from collections import Counter

import httpx
from prometheus_client.parser import text_string_to_metric_families

from triologue_server.triton.server import TritonServer


def counts(triton: TritonServer, metric: str) -> Counter[str]:
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
