"""What the service is deployed with says nothing that the tools it is for would refuse."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject

from triologue_server.settings import Settings

CHECKOUT = Path(__file__).parents[2]
DEPLOY = CHECKOUT / "deploy"
BIN = Path(sys.prefix, "bin")
KUBERNETES = "1.35"

NO_COMPOSE = pytest.mark.skipif(not (BIN / "docker-compose").exists(), reason="needs Python 3.11")
NO_PROMTOOL = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
KUBECTL = shutil.which("kubectl", path=f"{BIN}{os.pathsep}{os.environ['PATH']}")
NO_KUBECTL = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")


def output_of(*command: str | Path, cwd: Path = CHECKOUT, **variables: str) -> str:
    done = subprocess.run(command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- images


def test_the_dockerfile_has_no_warnings() -> None:
    # DL3008: Debian and Ubuntu keep no old versions that could be asked for again. The lists of packages go
    # with the stages that have them.
    command = (BIN / "hadolint", "--no-color", "--ignore=DL3008", "--ignore=DL3009", "Dockerfile")
    assert output_of(*command) == ""


def test_both_images_are_set_up_alike() -> None:
    text = (CHECKOUT / "Dockerfile").read_text()
    _, cpu, gpu = text.split("WORKDIR /build\nCOPY client client")[1].split("\nFROM ")
    for image, other in ((cpu, "cpu-"), (gpu, "gpu-")):
        assert other in image
    same = [line for line in cpu.splitlines()[1:] if not line.startswith("#")]
    swapped = [line.replace("gpu-", "cpu-").replace("=gpu", "=embedded") for line in gpu.splitlines()[1:]]
    assert [line for line in same if line] == [line for line in swapped if line]


# --- compose


@NO_COMPOSE
@pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "deploy/compose/gpu.yaml"]])
def test_compose_takes_its_files(files: list[str]) -> None:
    flags = [flag for file in files for flag in ("--file", file)]
    command = (BIN / "docker-compose", *flags, "--profile", "proxy", "config", "--format", "json")
    services = json.loads(output_of(*command))["services"]
    assert set(services) == {"triologue", "prometheus", "grafana", "proxy"}
    image = "gpu" if len(files) == 2 else "cpu"
    assert services["triologue"]["build"]["target"] == image
    # Nothing but the proxy can be reached from outside.
    outside = {
        name
        for name, service in services.items()
        for port in service.get("ports", ())
        if port.get("host_ip") != "127.0.0.1"
    }
    assert outside == {"proxy"}
    for service in services.values():
        for volume in service.get("volumes", ()):
            assert volume["type"] == "volume" or Path(volume["source"]).exists()
    grace = int(services["triologue"]["environment"]["TRIOLOGUE_GRACE_S"])
    assert services["triologue"]["stop_grace_period"] == f"{grace + 15}s"


# --- Prometheus and Grafana


@NO_PROMTOOL
def test_prometheus_takes_its_configuration() -> None:
    output_of("promtool", "check", "config", "prometheus.yml", cwd=DEPLOY / "prometheus")


@NO_PROMTOOL
def test_alerts_fire_when_they_should() -> None:
    output_of("promtool", "test", "rules", "alerts.test.yml", cwd=DEPLOY / "prometheus")


def test_every_alert_is_tested_both_ways() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    alerts = {rule["alert"] for group in rules for rule in group["rules"]}
    tests = yaml.safe_load((DEPLOY / "prometheus" / "alerts.test.yml").read_text())["tests"]
    quiet, loud = ({test["alertname"]: test for test in one["alert_rule_test"]} for one in tests)
    assert set(quiet) == set(loud) == alerts
    assert not any("exp_alerts" in test for test in quiet.values())
    assert all(test["exp_alerts"] for test in loud.values())


def test_the_dashboard_is_the_one_that_is_provisioned() -> None:
    (source,) = yaml.safe_load(
        (DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text()
    )["datasources"]
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "triologue.json").read_text())
    panels = dashboard["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["description"] for panel in panels)


# --- Kubernetes

COMPONENT = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [{base}]
components: [{component}]
"""


def rendered(folder: Path) -> list[dict[str, Any]]:
    assert KUBECTL is not None
    return list(yaml.safe_load_all(output_of(KUBECTL, "kustomize", folder)))


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    kubernetes: Path = DEPLOY / "kubernetes"
    base, _, component = request.param.partition("+")
    if not component:
        return kubernetes / base
    paths = {
        name: os.path.relpath(kubernetes / path, tmp_path.resolve())
        for name, path in (("base", base), ("component", component))
    }
    (tmp_path / "kustomization.yaml").write_text(COMPONENT.format(**paths))
    return tmp_path


def pods(resources: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for resource in resources:
        if resource["kind"] == "Deployment":
            yield resource["spec"]["template"]["spec"]
        if resource["kind"] == "InferenceService":
            yield resource["spec"]["predictor"]


@NO_KUBECTL
@pytest.mark.parametrize(
    "folder", ["base", "gpu", "base+autoscaling-hpa", "gpu+autoscaling-keda"], indirect=True
)
def test_kubernetes_takes_what_is_rendered(folder: Path) -> None:
    resources = rendered(folder)
    kinds = {resource["kind"] for resource in resources}
    wanted = {"Deployment", "Service", "PersistentVolumeClaim", "PodDisruptionBudget", "NetworkPolicy"}
    assert kinds - {"HorizontalPodAutoscaler", "ScaledObject"} == wanted
    for resource in resources:
        if resource["kind"] != "ScaledObject":  # of KEDA's own
            kubernetes_validate.validate(resource, KUBERNETES, strict=True)
    (pod,) = pods(resources)
    labels = next(r for r in resources if r["kind"] == "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        resource["spec"]["selector"].get("matchLabels", resource["spec"]["selector"])
        for resource in resources
        if resource["kind"] in {"Deployment", "Service", "PodDisruptionBudget"}
    ]
    assert selectors
    assert all(selector == labels for selector in selectors)
    assert_hardened(pod)


def test_keda_takes_its_autoscaler() -> None:
    written = yaml.safe_load((DEPLOY / "kubernetes" / "autoscaling-keda" / "autoscaler.yaml").read_text())
    # What KEDA does not know is not in the model.
    model = ScaledObject.model_validate(written)
    assert model.model_dump(mode="json", by_alias=True, exclude_unset=True) == written


def test_kserve_runs_the_same_pod() -> None:
    service = yaml.safe_load((DEPLOY / "kubernetes" / "kserve" / "inference-service.yaml").read_text())
    predictor = service["spec"]["predictor"]
    # Beside a few fields of KServe's own it is what any pod is made of.
    own = {"minReplicas", "maxReplicas", "timeout"}
    spec = {name: value for name, value in predictor.items() if name not in own}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "predictor"}, "spec": spec}
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)
    assert_hardened(predictor)


def assert_hardened(pod: dict[str, Any]) -> None:
    """Nothing can be written but what must be, nobody is root, and a server may take its time to stop."""
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"] + pod.get("initContainers", []):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
    (container,) = pod["containers"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/models", "/dev/shm", "/tmp"}
    grace = next(int(v["value"]) for v in container["env"] if v["name"] == "TRIOLOGUE_GRACE_S")
    Settings(grace_s=grace)
    assert pod["terminationGracePeriodSeconds"] >= grace + 10
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] == "/v2/models/diarized_asr_stream/ready"
    assert container["readinessProbe"]["httpGet"]["path"] == "/v2/health/ready"


def test_keda_and_the_adapter_ask_for_metrics_that_there_are() -> None:
    source = (CHECKOUT / "server/src/triologue_server/triton/conductor_metrics.py").read_text()
    folder = DEPLOY / "kubernetes"
    scaled = yaml.safe_load((folder / "autoscaling-keda" / "autoscaler.yaml").read_text())
    assert scaled["spec"]["triggers"][0]["metadata"]["query"] == "sum(triologue_recordings_waiting)"
    assert '"triologue_recordings_waiting"' in source
    (rule,) = yaml.safe_load((folder / "autoscaling-hpa" / "adapter-rules.yaml").read_text())["rules"]
    assert "triologue_queue_seconds_sum" in rule["metricsQuery"]
    assert '"triologue_queue_seconds"' in source
    scaler = yaml.safe_load((folder / "autoscaling-hpa" / "autoscaler.yaml").read_text())
    assert scaler["spec"]["metrics"][0]["pods"]["metric"]["name"] == rule["name"]["as"]
