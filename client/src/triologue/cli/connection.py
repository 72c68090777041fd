"""Parameters that say where the server is, and the client that they make."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from triologue.cli.reports import one_line, write_stderr
from triologue.cli.statuses import status_of
from triologue.client import DEFAULT_RETRIES, DEFAULT_TIMEOUT_S, DEFAULT_URL, Client
from triologue.schema import TriologueError
from triologue.transport.address import Tls

# What both HTTP and gRPC can send: to gRPC `-bin` says that bytes follow. Their own errors would show the
# value, which may be a secret.
_NAME = re.compile(r"[A-Za-z0-9_.-]+(?<!-bin)", re.IGNORECASE)
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_SECTION = "Server"


def _key(value: str | None) -> str | None:
    if value is None or _VALUE.fullmatch(value.strip()):
        return value and value.strip()
    raise typer.BadParameter("the key holds what no header can")


def _headers(values: list[str] | None) -> list[str]:
    for value in values or []:
        name, colon, content = value.partition(":")
        if not (colon and _NAME.fullmatch(name.strip()) and _VALUE.fullmatch(content.strip())):
            raise typer.BadParameter("give NAME:VALUE, in characters that a header can hold")
    return values or []


def _file(help: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        exists=True, dir_okay=False, metavar="PEM", rich_help_panel=_SECTION, help=help
    )
    return option


@dataclass(frozen=True)
class Connection:
    """Where the server is, and how it is spoken to."""

    url: Annotated[
        str,
        typer.Option(
            envvar="TRIOLOGUE_URL", rich_help_panel=_SECTION, help="http://, https://, grpc:// or grpcs://."
        ),
    ] = DEFAULT_URL
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1, metavar="SECONDS", rich_help_panel=_SECTION, help="How long to wait for an answer."
        ),
    ] = DEFAULT_TIMEOUT_S
    retries: Annotated[
        int,
        typer.Option(
            min=0,
            rich_help_panel=_SECTION,
            help="How often to ask again while the server cannot be reached or is overloaded.",
        ),
    ] = DEFAULT_RETRIES
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="TRIOLOGUE_API_KEY",
            metavar="KEY",
            callback=_key,
            show_default=False,
            rich_help_panel=_SECTION,
            help="Sent as `Authorization: Bearer KEY`. Other users of the machine see flags, but not the "
            "environment.",
        ),
    ] = None
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:VALUE",
            callback=_headers,
            rich_help_panel=_SECTION,
            help="Sent with every request; may be given several times.",
        ),
    ] = None
    ca_cert: Annotated[
        Path | None, _file("Whom to trust with the server's certificate, in the place of the usual.")
    ] = None
    client_cert: Annotated[Path | None, _file("The certificate to show to the server.")] = None
    client_key: Annotated[Path | None, _file("The private key of that certificate.")] = None

    def client(self) -> Client:
        """Return a client; nothing is sent yet.

        Raises:
            typer.BadParameter: The URL or a certificate is none.
        """
        named = (header.partition(":") for header in self.header or [])
        headers = {name.strip(): value.strip() for name, _, value in named}
        try:
            tls = Tls(self.ca_cert, self.client_cert, self.client_key)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--client-cert / --client-key") from None
        try:
            return Client(
                self.url,
                timeout_s=self.timeout,
                retries=self.retries,
                headers=headers,
                api_key=self.api_key,
                tls=tls,
            )
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--url") from None
        except OSError as error:
            why = f"no certificate can be read there: {one_line(error.strerror or str(error))}"
            raise typer.BadParameter(why, param_hint="--ca-cert / --client-cert / --client-key") from None


@contextmanager
def reported() -> Iterator[None]:
    """Tell an error of the service, and end with the status it leads to."""
    try:
        yield
    except TriologueError as error:
        write_stderr(f"error: {error.code.value}: {one_line(error.message)}")
        raise typer.Exit(status_of(error)) from None
