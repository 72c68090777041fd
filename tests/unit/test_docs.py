"""The pages of docs/ that are made of the code."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_tables_of_options_are_those_of_the_models() -> None:
    renew = runpy.run_path(str(DOCS / "options.py"))["renew"]
    page = (DOCS / "options.md").read_text(encoding="utf-8")
    assert page == renew(page), "run `make docs`"
