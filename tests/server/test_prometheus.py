"""A real Prometheus scrapes a real server: every number of the dashboard is there, and no alert fires."""

import json
import math
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.ports import find_free_port
from triologue import Client, InvalidAudio
from triologue_server.triton.server import TritonServer

pytestmark = pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed")

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "triologue.json").read_text())
PANELS = {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in DASHBOARD["panels"]}


class Prometheus:
    """One with our configuration, but for what it scrapes and how often."""

    def __init__(self, folder: Path, metrics_url: str) -> None:
        config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(DEPLOY / "prometheus" / name) for name in config["rule_files"]]
        (job,) = config["scrape_configs"]
        job["static_configs"][0]["targets"] = [httpx.URL(metrics_url).netloc.decode()]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self._address = f"127.0.0.1:{find_free_port()}"
        command = [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self._address}",
        ]
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(command, stderr=log)

    def get(self, path: str, **parameters: str) -> Any:
        reply = httpx.get(f"http://{self._address}/api/v1/{path}", params=parameters, trust_env=False)
        assert reply.is_success, reply.text
        return reply.json()["data"]

    def query(self, expression: str) -> list[float]:
        expression = expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
        return [float(found["value"][1]) for found in self.get("query", query=expression)["result"]]

    def scrapes(self) -> int:
        with suppress(httpx.TransportError):
            return sum(map(int, self.query('count_over_time(up{job="triologue"}[10m])')))
        return 0

    def wait_for_scrapes(self, number: int) -> None:
        until = time.monotonic() + 60
        wanted = self.scrapes() + number
        while self.scrapes() < wanted:
            assert self.process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)


@pytest.fixture(scope="module")
def prometheus(
    triton: TritonServer, sample: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Prometheus after it has seen a recording of each kind, and a refusal."""
    found = Prometheus(tmp_path_factory.mktemp("prometheus"), triton.metrics_url)
    try:
        found.wait_for_scrapes(2)
        with Client(triton.grpc_url) as client:
            client.transcribe_diarized(sample)
            client.transcribe(sample)
            client.diarize(sample)
            with pytest.raises(InvalidAudio):
                client.transcribe(b"no recording")
        found.wait_for_scrapes(2)
        yield found
    finally:
        found.process.terminate()
        found.process.wait(20)


@pytest.mark.parametrize("title", PANELS)
def test_a_panel_has_numbers(title: str, prometheus: Prometheus) -> None:
    if title == "GPU" and not prometheus.query("nv_gpu_utilization"):
        pytest.skip("there is no GPU")
    for expression in PANELS[title]:
        numbers = prometheus.query(expression)
        assert numbers, expression
        assert all(map(math.isfinite, numbers)), expression


def test_the_rules_can_be_evaluated_and_none_fires(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(rules) == 8
    assert {rule["health"] for rule in rules} == {"ok"}
    assert {rule["state"] for rule in rules} <= {"inactive", "pending"}


def test_a_server_can_be_chosen(prometheus: Prometheus) -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
    assert prometheus.get(f"label/{label}/values", **{"match[]": metric})
