"""The pages of docs/ that are made of the code."""

import inspect
import re
import runpy
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import triologue

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = runpy.run_path(str(DOCS / "reference.py"))
PUBLIC = [name for name in triologue.__all__ if name != "__version__"]
CLASSES = [
    name
    for name in PUBLIC
    if inspect.isclass(found := getattr(triologue, name)) and not issubclass(found, Enum)
]
# The first tells one model from another, and nothing else; the base of all errors says what the second is.
PLAIN = {"type", "code"}


@pytest.fixture(scope="module")
def package() -> Any:
    """The package as it is written: what is inherited is no docstring of a class's own."""
    return REFERENCE["load"]()


@pytest.mark.parametrize("name", ["options", "reference", "settings"])
def test_the_page_is_made_of_the_code(name: str) -> None:
    renew = runpy.run_path(str(DOCS / f"{name}.py"))["renew"]
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert page == renew(page), "run `make docs`"


def test_every_public_name_is_in_the_reference() -> None:
    listed = [name for names in REFERENCE["SECTIONS"].values() for name in names]
    assert sorted(listed) == sorted(PUBLIC)
    headings = re.findall(r"^### (.+)$", (DOCS / "reference.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == listed


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_says_what_it_is(name: str, package: Any) -> None:
    if name != "Event":  # a union has no docstring of its own
        assert package[name].has_docstring


@pytest.mark.parametrize("name", CLASSES)
def test_every_method_and_field_says_what_it_is(name: str, package: Any) -> None:
    members = package[name].members.items()
    public = [(member, value) for member, value in members if not member.startswith("_")]
    assert [member for member, value in public if member not in PLAIN and not value.has_docstring] == []


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*DOCS.glob("*.md"), DOCS.parent / "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
