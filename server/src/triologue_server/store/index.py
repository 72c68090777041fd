"""Where a wheel lies: the simple API of a package index, as JSON (PEP 691) or as HTML (PEP 503)."""

import os
import re
from html.parser import HTMLParser

import httpx

from triologue_server.store.artifact import WheelSource
from triologue_server.store.errors import SourceRefused

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


def index_url() -> str:
    """Return the package index that uv and pip are told to use on this machine, or else PyPI."""
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if value := os.environ.get(variable):
            # uv also takes NAME=URL.
            return re.sub(r"^[\w.-]+=", "", value)
    return "https://pypi.org/simple"


def find_wheel(client: httpx.Client, index: str, wheel: WheelSource) -> httpx.URL:
    """Ask the package index at `index` for the address of a wheel.

    Raises:
        SourceRefused: The index has no such file.
        httpx.HTTPError: The index does not answer, or answers with an error.
    """
    response = client.get(f"{index.rstrip('/')}/{wheel.project}/", headers={"Accept": _ACCEPT})
    response.raise_for_status()
    links = (
        _links_in_json(response)
        if "json" in response.headers.get("Content-Type", "")
        else _links_in_html(response)
    )
    if link := links.get(wheel.filename):
        return response.url.join(link)
    raise SourceRefused(f"the package index at {response.url.host} has no file {wheel.filename}")


def _links_in_json(response: httpx.Response) -> dict[str, str]:
    try:
        return {file["filename"]: file["url"] for file in response.json()["files"]}
    except (ValueError, LookupError, TypeError) as error:
        raise SourceRefused(f"{response.url.host} is not a package index: {error!r}") from error


def _links_in_html(response: httpx.Response) -> dict[str, str]:
    page = _Page()
    page.feed(response.text)
    return page.links


class _Page(HTMLParser):
    """Collects the links of a project's page, by file name."""

    def __init__(self) -> None:
        super().__init__()
        self.links: dict[str, str] = {}
        self._href = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._href = dict(attrs).get("href") or ""

    def handle_data(self, data: str) -> None:
        if self._href and data.strip():
            self.links[data.strip()] = self._href

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._href = ""
