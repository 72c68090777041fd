"""Options of any kind before the schema: each is taken, or refused by its name."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import INPUTS
from tests.fuzz.requests import OPTIONS, options
from triologue.schema import InvalidOption
from triologue_server.conductor.request import read_parameters


@settings(max_examples=INPUTS, derandomize=True, deadline=None)
@given(data=st.data(), model=st.sampled_from(sorted(OPTIONS)))
def test_options_are_taken_or_refused_by_name(data: st.DataObject, model: str) -> None:
    asked = data.draw(options(model))
    refusal = refusal_of({**asked, "pipeline": model})
    assert refusal is None or any(name in refusal for name in asked)


def refusal_of(parameters: dict[str, Any]) -> str | None:
    try:
        read_parameters(parameters)
    except InvalidOption as refusal:
        return refusal.message
    return None
