"""The pages of docs/ that are made of the code."""

import inspect
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import triologue

DOCS = Path(__file__).parents[2] / "docs"
PUBLIC = [name for name in triologue.__all__ if name != "__version__"]
CLASSES = [name for name in PUBLIC if inspect.isclass(getattr(triologue, name))]


@pytest.mark.parametrize("name", ["options", "reference"])
def test_the_page_is_made_of_the_code(name: str) -> None:
    renew = runpy.run_path(str(DOCS / f"{name}.py"))["renew"]
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert page == renew(page), "run `make docs`"


def test_every_public_name_is_in_the_reference() -> None:
    sections = runpy.run_path(str(DOCS / "reference.py"))["SECTIONS"]
    listed = [name for names in sections.values() for name in names]
    assert sorted(listed) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_says_what_it_is(name: str) -> None:
    if name != "Event":  # a union has no docstring of its own
        assert inspect.getdoc(getattr(triologue, name))


@pytest.mark.parametrize("name", CLASSES)
def test_every_method_and_field_says_what_it_is(name: str) -> None:
    found: Any = getattr(triologue, name)
    for member, value in vars(found).items():
        is_method = inspect.isfunction(value) or isinstance(value, property | classmethod | staticmethod)
        if is_method and not member.startswith("_"):
            assert inspect.getdoc(value), member
    if issubclass(found, BaseModel):
        for field, described in found.model_fields.items():
            if field != "type":  # It tells one model from another, and nothing else.
                assert described.description, field


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*DOCS.glob("*.md"), DOCS.parent / "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
