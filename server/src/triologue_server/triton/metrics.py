"""The metric by which a server that is stopping knows that nobody waits for an answer any more."""

import re

IN_FLIGHT = "triologue_recordings_in_flight"
"""Gauge of the conductor: the recordings that it is working on."""

_PENDING = "nv_inference_pending_request_count"
_SAMPLE = re.compile(rf"^({IN_FLIGHT}|{_PENDING})(?:\{{.*\}})? (\S+)$", re.MULTILINE)


def counts_recordings(exposition: str) -> bool:
    """Whether a conductor tells how many it has, going by metrics in Prometheus' text format."""
    return any(name == IN_FLIGHT for name, _ in _SAMPLE.findall(exposition))


def is_idle(exposition: str) -> bool:
    """Whether no request waits or is worked on, going by metrics in Prometheus' text format."""
    values = [float(value) for _, value in _SAMPLE.findall(exposition)]
    return counts_recordings(exposition) and not any(values)
