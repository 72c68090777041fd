"""The metric by which a server that is stopping knows that nobody waits for an answer any more."""

import re

IN_FLIGHT = "triologue_recordings_in_flight"
"""Gauge of the conductor: the recordings that it is working on."""

_PENDING = "nv_inference_pending_request_count"
_SAMPLE = re.compile(rf"^({IN_FLIGHT}|{_PENDING})(?:\{{.*\}})? (\S+)$", re.MULTILINE)


def is_idle(exposition: str) -> bool:
    """Whether no request waits or is worked on, going by metrics in Prometheus' text format."""
    samples = _SAMPLE.findall(exposition)
    return any(name == IN_FLIGHT for name, _ in samples) and not any(float(value) for _, value in samples)
