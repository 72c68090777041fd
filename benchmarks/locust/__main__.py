"""How the service does under load: Locust runs for a while against it, by HTTP and by gRPC.

    python -m benchmarks.locust --seconds 60 --users 8 --workload closed

`docs/load.md` says how Locust is run by itself, with its web page or on several machines.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console

from benchmarks.locust.measurement import Measurement
from benchmarks.locust.options import Workload
from benchmarks.locust.verdict import goals, options_of, rows
from benchmarks.report import Report, show
from benchmarks.service import Url, described, service, settings_for, triton_version
from benchmarks.speech import sample_path
from triologue import Client
from triologue_server.settings import Settings
from triologue_server.triton.ports import with_free_ports

TARGET = "load"

_ROOT = Path(__file__).parents[2]
_LOCUSTFILE = Path("benchmarks", "locust", "locustfile.py")


@contextmanager
def servers(
    settings: Settings, url: str | None, http_url: str | None, progress: Console
) -> Iterator[dict[str, str]]:
    """Yield the URLs of a server by their protocol: of one that runs, or of one that is started."""
    own = settings if url else with_free_ports(settings)
    with service(own, url, progress) as grpc_url:
        if url is None:
            http_url = f"http://{urlsplit(grpc_url).hostname}:{own.http_port}"
        yield ({"http": http_url} if http_url else {}) | {"grpc": grpc_url}


def locust(arguments: Sequence[str], workers: int) -> None:
    """Run Locust without a web page, in processes of their own: it changes how Python waits.

    Args:
        arguments: Of its command line.
        workers: Processes that users are in, besides a master; 0 for users in one process without a master.

    Raises:
        SystemExit: It did not end well.
    """
    command = [sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE)]
    port = str(_free_port())
    master = ["--master", "--expect-workers", str(workers), "--master-bind-host", "127.0.0.1"]
    distributed = [*master, "--master-bind-port", port] if workers else []
    # Failures of requests are no failure of Locust's: the verdict tells them.
    alone = ["--headless", "--exit-code-on-error", "0"]
    with ExitStack() as undo:
        for _ in range(workers):
            worker = subprocess.Popen(  # noqa: S603
                [*command, "--worker", "--master-host", "127.0.0.1", "--master-port", port], cwd=_ROOT
            )
            undo.callback(worker.wait)
            undo.callback(worker.terminate)
        done = subprocess.run(  # noqa: S603
            [*command, *alone, *distributed, *arguments], cwd=_ROOT, check=False
        )
    if done.returncode:
        raise SystemExit(f"Locust has ended with {done.returncode}")


def warm_up(urls: Sequence[str]) -> None:
    """Have a little diarized untimed: what is used first is loaded then."""
    for url in urls:
        with Client(url) as client:
            client.transcribe_diarized(sample_path(), language="en")


def main(
    seconds: Annotated[
        float, typer.Option(min=1.0, help="For which requests are sent; those under way are waited for.")
    ] = 60.0,
    users: Annotated[int, typer.Option(min=1, help="Callers, at most.")] = 8,
    workload: Annotated[
        Workload, typer.Option(help="When requests are sent; a ramp ends by itself.")
    ] = Workload.CLOSED,
    workers: Annotated[int, typer.Option(min=0, help="Processes of Locust's, besides its master.")] = 0,
    option: Annotated[
        list[str] | None,
        typer.Option(help="Further options of the locustfile, such as --option rate=0.5; may be repeated."),
    ] = None,
    url: Url = None,
    http_url: Annotated[
        str | None,
        typer.Option(
            envvar="TRIOLOGUE_HTTP_URL", help="HTTP URL of the server of --url; else gRPC alone is measured."
        ),
    ] = None,
) -> None:
    """Measure the service under load, and say whether it does what it should."""
    progress = Console(stderr=True, highlight=False, soft_wrap=True)
    settings = settings_for(None)
    report = Report(options={}, rows=[])
    found: list[Measurement] = []
    further = [f"--{setting.replace('_', '-')}" for setting in option or []]
    with servers(settings, url, http_url, progress) as urls, TemporaryDirectory() as folder:
        report.versions |= triton_version(urls["grpc"])
        warm_up(list(urls.values()))
        for protocol, address in urls.items():
            progress.print(f"load by {protocol}")
            result = Path(folder, f"{protocol}.json")
            arguments = ["--host", address, "--users", str(users), "--spawn-rate", str(users)]
            arguments += ["--workload", workload.value, "--result", str(result), *further]
            arguments += ["--run-time", f"{seconds:.0f}s", "--only-summary"]
            locust(arguments, workers)
            found.append(Measurement.read(result))
    report.options = described(settings) | {"seconds": seconds} | options_of(found)
    for measurement in found:
        report.rows += rows(measurement)
        report.goals += goals(measurement)
    path = report.save(TARGET)
    show(report, f"load, {path}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    typer.run(main)
