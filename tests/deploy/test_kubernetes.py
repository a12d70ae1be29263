"""The kustomizations build, and what they build is what Kubernetes knows."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from hogsend.settings import Settings, settings_of
from tests.deploy.tools import DEPLOY, require_tool

_FOLDER = DEPLOY / "kubernetes"
TARGETS = ("base", "overlays/production", "overlays/single")
VERSION = "1.33"
# Resources of the Prometheus operator, whose schemas Kubernetes itself does not have.
_FOREIGN = ("ServiceMonitor", "PodMonitor")


def _build(target: str) -> list[dict[str, Any]]:
    install = "go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"
    tool = require_tool("kustomize", install=install)
    built = subprocess.run(
        [tool, "build", str(_FOLDER / target)], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return [document for document in yaml.safe_load_all(built.stdout) if document]


def _containers(documents: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for document in documents:
        if document["kind"] in ("Deployment", "Job"):
            pod = document["spec"]["template"]["spec"]
            for container in pod["containers"]:
                yield pod, container


@pytest.mark.parametrize("target", TARGETS)
def test_kustomization_builds_valid_resources(target: str) -> None:
    documents = _build(target)

    for document in documents:
        if document["kind"] not in _FOREIGN:
            kubernetes_validate.validate(document, VERSION, strict=True)
    assert {d["kind"] for d in documents} >= {"Job", "Deployment", "Service", "NetworkPolicy"}


@pytest.mark.parametrize("target", TARGETS)
def test_pods_run_without_rights_and_name_their_mode(target: str) -> None:
    modes = []
    for pod, container in _containers(_build(target)):
        modes.append(container["args"])
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        assert "memory" in container["resources"]["limits"]

    assert sorted(modes) == [["api"], ["migrate"], ["worker"]]


def test_api_is_probed_where_it_answers_and_drained_before_it_stops() -> None:
    documents = _build("base")

    pod, api = next(pair for pair in _containers(documents) if pair[1]["args"] == ["api"])

    assert api["livenessProbe"]["httpGet"]["path"] == "/v1/health/live"
    assert api["readinessProbe"]["httpGet"]["path"] == "/v1/health/ready"
    config = next(d for d in documents if d["kind"] == "ConfigMap")["data"]
    shutdown = float(config["SHUTDOWN_TIMEOUT_SECONDS"])
    assert pod["terminationGracePeriodSeconds"] > 8 + shutdown
    assert next(p["containerPort"] for p in api["ports"] if p["name"] == "metrics") == int(
        config["HOGSEND_METRICS_PORT"]
    )


@pytest.mark.parametrize("target", TARGETS)
def test_variables_exist_and_no_secret_is_written_down(target: str) -> None:
    declared = {n: s for s in settings_of(Settings) for n in (s.name, *s.aliases)}
    documents = _build(target)

    for document in documents:
        assert document["kind"] != "Secret"
        if document["kind"] == "ConfigMap":
            assert set(document["data"]) <= set(declared)
            assert not any(declared[name].is_secret for name in document["data"])


def test_single_overlay_never_runs_two_workers() -> None:
    documents = _build("overlays/single")

    workers = [d for d in documents if d["metadata"]["name"] == "hogsend-worker"]
    worker = next(d for d in workers if d["kind"] == "Deployment")
    assert worker["spec"]["replicas"] == 1
    assert worker["spec"]["strategy"] == {"type": "Recreate"}
    assert not any(d["kind"] == "HorizontalPodAutoscaler" for d in documents)
