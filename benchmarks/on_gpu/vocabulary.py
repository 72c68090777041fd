"""The vocabulary of Whisper large-v3, made of that of an older multilingual model.

Large-v3 knows one language more, Cantonese, whose token follows those of the other languages: all tokens
behind it have moved up by one.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = 51_866
"""Tokens of large-v3, timestamps included."""
TIMESTAMPS = 1_501
"""The last tokens: from 0.00 to 30.00 seconds."""

CANTONESE = "<|yue|>"
_CANTONESE_ID = 50_358
_FIRST_LANGUAGE_ID = 50_259

_WORD = re.compile("Ġ[A-Za-z]+")
_BYTE_PAIRS = 50_257  # tokens of text; what follows has a meaning of its own


def write_tokenizer(older: Path, folder: Path) -> None:
    """Write the tokenizer of large-v3 into a folder.

    Args:
        older: Folder of a multilingual model with 51865 tokens, such as `base`.
        folder: Where to.
    """
    tokenizer = json.loads((older / "tokenizer.json").read_text(encoding="utf-8"))
    listed: list[dict[str, Any]] = tokenizer["added_tokens"]
    for token in listed:
        token["id"] = _moved(token["id"])
    # The other properties are those of its neighbours.
    listed.append({**listed[-1], "id": _CANTONESE_ID, "content": CANTONESE})
    listed.sort(key=lambda token: int(token["id"]))
    for special in tokenizer["post_processor"]["special_tokens"].values():
        special["ids"] = _all_moved(special["ids"])
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")


def tokens_of(folder: Path) -> list[str]:
    """Return all tokens by number, as CTranslate2 lists them, of a folder with large-v3's tokenizer."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    by_number = {number: token for token, number in tokenizer["model"]["vocab"].items()}
    by_number |= {token["id"]: token["content"] for token in tokenizer["added_tokens"]}
    tokens = [by_number[number] for number in range(len(by_number))]
    return tokens + [f"<|{0.02 * step:.2f}|>" for step in range(TIMESTAMPS)]


def config_of(older: Path) -> dict[str, Any]:
    """Return the `config.json` of an older model in the tokens of large-v3, without alignment heads."""
    config = json.loads((older / "config.json").read_text(encoding="utf-8"))
    return {
        "suppress_ids": _all_moved(config["suppress_ids"]),
        "suppress_ids_begin": _all_moved(config["suppress_ids_begin"]),
        "lang_ids": list(range(_FIRST_LANGUAGE_ID, _CANTONESE_ID + 1)),
    }


def are_words(tokens: Iterable[str]) -> NDArray[np.bool_]:
    """Say of each token whether it begins a word and is written in Latin letters."""
    return np.array(
        [number < _BYTE_PAIRS and _WORD.fullmatch(token) is not None for number, token in enumerate(tokens)]
    )


def _moved(number: int) -> int:
    return number + (number >= _CANTONESE_ID)


def _all_moved(numbers: Iterable[int]) -> list[int]:
    return [_moved(number) for number in numbers]
