"""The results of each recording in a place. The JSON one, written last, is the mark that it is done."""

import json
from collections.abc import Sequence

from pydantic import ValidationError

from triologue.batch.place import Place
from triologue.formats import FORMATS, Setting
from triologue.protocol.request import PIPELINES, AnyAnswer, Pipeline

MARK = "json"
"""The format that is always written, and last."""


class Outputs:
    """Writes results, and knows which are there.

    Args:
        place: Where they go.
        formats: How they are written, by name, besides JSON.
        pipeline: What they are results of.
    """

    def __init__(self, place: Place, formats: Sequence[str], pipeline: Pipeline) -> None:
        self._place = place
        self._others = [name for name in dict.fromkeys(formats) if name != MARK]
        self._result_type = PIPELINES[pipeline][1]

    def has(self, id: str) -> bool:
        """Say whether a recording is done.

        Formats that an earlier run was not asked for are made of its JSON result.

        Raises:
            OSError: It cannot be told, or a format cannot be written.
        """
        if not self._place.holds(_name(id, MARK)):
            return False
        missing = [name for name in self._others if not self._place.holds(_name(id, name))]
        if not missing:
            return True
        try:
            result = self._result_type.model_validate_json(self._place.read(_name(id, MARK)))
        except ValidationError:
            return False
        self._write_others(id, result, missing)
        return True

    def write(self, id: str, result: AnyAnswer, *, again: bool = False) -> None:
        """Write the result of a recording.

        Args:
            id: What it is called.
            result: The answer.
            again: Whether one may be there, which is no mark of what is written now.

        Raises:
            OSError: It cannot be written; it is not done then.
        """
        if again:
            self._place.remove(_name(id, MARK))
        self._write_others(id, result, self._others)
        self._place.remove(_error_name(id))
        self._place.write(_name(id, MARK), _text(id, MARK, result))

    def write_error(self, id: str, code: str, message: str) -> None:
        """Write down why a recording failed, beside where its result would be.

        Raises:
            OSError: It cannot be written.
        """
        text = json.dumps({"code": code, "message": message}, ensure_ascii=False)
        self._place.write(_error_name(id), f"{text}\n")

    def _write_others(self, id: str, result: AnyAnswer, names: Sequence[str]) -> None:
        for name in names:
            self._place.write(_name(id, name), _text(id, name, result))


def _name(id: str, format: str) -> str:
    return f"{id}{FORMATS[format].suffix}"


def _error_name(id: str) -> str:
    return f"{id}.error.json"


def _text(id: str, format: str, result: AnyAnswer) -> str:
    return FORMATS[format].write(result, Setting(id))
