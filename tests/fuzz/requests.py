"""Requests as hypothesis thinks them up: options, and bodies."""

import json
from typing import Any

from hypothesis import strategies as st

from triologue.schema import (
    CallParams,
    DiarizedAsrOptions,
    PyannoteSpeakerDiarizationParams,
    StreamParams,
    WhisperParams,
)

OPTIONS = {
    "transcription": WhisperParams,
    "diarization": PyannoteSpeakerDiarizationParams,
    "diarized_asr": DiarizedAsrOptions,
}
"""The models that take options, and which."""

_OF_TRITON = ("sequence_id", "sequence_start", "priority", "timeout", "binary_data_output", "triton_x")
_IN_BOUNDS = st.sampled_from([True, False, 0, 1, 2, 3, 0.5, 0.1, 1.0, "en", "de", "null", "true", "2", "0.5"])
_LISTS = st.sampled_from(["[]", "[0.0, 0.2]", "[-1]", "[1, 2]", "{}", '{"threshold": 0.4}', "[[]]", "[", "{"])
_OUT_OF_BOUNDS = st.one_of(
    st.integers(),
    st.sampled_from([-1, -(2**31), 2**31, 2**32, 2**53 + 1, 2**63 - 1, -(2**63), 1e308, -1e-308, 1e-9]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["NaN", "Infinity", "-inf", "1e999", "1" * 5_000, "\0", "", " ", "None", "batched\n"]),
    st.text(max_size=30),
    st.sampled_from(["x" * 20_000, "é" * 20_000, "[" * 5_000, '{"a":' * 500, "[1," * 5_000]),
)
_VALUES = st.one_of(_IN_BOUNDS, _IN_BOUNDS, _LISTS, _OUT_OF_BOUNDS)


def options(model: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return what draws the parameters of a request: most are options of the model, of any value."""
    known = sorted(OPTIONS[model].model_fields)
    others = sorted({*StreamParams.model_fields, *CallParams.model_fields, *_OF_TRITON})
    names = st.one_of(*[st.sampled_from(known)] * 8, st.sampled_from(others), st.text(max_size=10))
    return st.dictionaries(names, _VALUES, min_size=1, max_size=3)


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
_FIELDS = st.sampled_from(
    ["AUDIO", "EVENT", "id", "parameters", "inputs", "outputs", "beam_size", "language", "encoding", "errors"]
)
_OBJECTS = st.dictionaries(st.one_of(_FIELDS, st.text(max_size=8)), _JSON, max_size=5)
_WITH_AUDIO = st.builds(lambda audio, rest: {**rest, "AUDIO": audio}, st.one_of(st.text(), _JSON), _OBJECTS)


def bodies() -> st.SearchStrategy[bytes]:
    """Return what draws bodies that should be JSON."""
    written = st.one_of(_OBJECTS, _WITH_AUDIO, _JSON).map(lambda value: json.dumps(value).encode())
    return st.one_of(
        written,
        written,
        st.builds(lambda body, end: body[: end % (len(body) + 1)], written, st.integers(0)),
        st.binary(max_size=200),
        st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.sampled_from([b"", b"{}", b"[]", b"null", b'{"AUDIO":', b"\xff" * 100, b"0" * 10_000]),
    )
