"""ECS by botocore's own model, Nomad by an HCL parser, the hosted platforms by what they run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import botocore.session
import hcl2
import pytest
import yaml
from botocore.validate import ParamValidator

from hogsend.entry import MODES
from hogsend.settings import Settings, settings_of
from tests.deploy.tools import DEPLOY, ROOT

_KNOWN = {name: s for s in settings_of(Settings) for name in (s.name, *s.aliases)}
_PYZ = "python /usr/local/lib/hogsend.pyz "


def _ecs(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DEPLOY / "ecs" / name).read_text())
    return loaded


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("migrate.json", "RegisterTaskDefinition"),
        ("api.json", "RegisterTaskDefinition"),
        ("worker.json", "RegisterTaskDefinition"),
        ("service-api.json", "CreateService"),
        ("service-worker.json", "CreateService"),
    ],
)
def test_ecs_file_fits_the_api_it_is_sent_to(name: str, operation: str) -> None:
    model = botocore.session.get_session().get_service_model("ecs")
    shape = model.operation_model(operation).input_shape

    report = ParamValidator().validate(_ecs(name), shape)

    assert not report.has_errors(), report.generate_report()


def test_ecs_tasks_run_the_modes_without_rights_and_keep_secrets_apart() -> None:
    for mode in ("migrate", "api", "worker"):
        task = _ecs(f"{mode}.json")
        container = task["containerDefinitions"][0]
        assert container["command"] == [mode]
        assert container["readonlyRootFilesystem"] is True
        assert container["user"] == "10001:10001"
        assert {e["name"] for e in container["environment"]} <= set(_KNOWN)
        assert not any(_KNOWN[e["name"]].is_secret for e in container["environment"])
        assert {e["name"] for e in container["secrets"]} <= set(_KNOWN)


def test_nomad_job_runs_migrate_before_api_and_drains() -> None:
    with (DEPLOY / "nomad" / "hogsend.nomad.hcl").open() as file:
        job = _plain(hcl2.load(file))["job"][0]["hogsend"]

    groups = {name: body for group in job["group"] for name, body in group.items()}
    tasks = {
        name: body
        for group in groups.values()
        for task in group["task"]
        for name, body in task.items()
    }
    assert {name: body["config"][0]["args"] for name, body in tasks.items()} == {
        "migrate": ["migrate"],
        "api": ["api"],
        "worker": ["worker"],
    }
    assert tasks["migrate"]["lifecycle"][0] == {"hook": "prestart", "sidecar": False}
    check = groups["api"]["service"][0]["check"][0]
    assert check["path"] == "/v1/health/ready"
    for mode in ("api", "worker"):
        assert tasks[mode]["kill_timeout"] == "35s"
        assert set(tasks[mode]["env"][0]) <= set(_KNOWN)


def _plain(value: Any) -> Any:
    """hcl2 keeps quotes of keys and marks blocks; tests want neither."""
    if isinstance(value, dict):
        return {
            str(key).strip('"'): _plain(item)
            for key, item in value.items()
            if not str(key).startswith("__")
        }
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.strip('"') if isinstance(value, str) else value


def _modes(text: str) -> list[str]:
    return re.findall(re.escape(_PYZ) + r"(\w+)", text)


@pytest.mark.parametrize(
    ("name", "modes"), [("railway.toml", ["migrate", "api"]), ("railway.worker.toml", ["worker"])]
)
def test_railway_file_runs_our_modes(name: str, modes: list[str]) -> None:
    text = (DEPLOY / "paas" / name).read_text()
    loaded = tomllib.loads(text)

    assert _modes(text) == modes
    assert (ROOT / loaded["build"]["dockerfilePath"]).is_file()
    assert loaded["deploy"]["restartPolicyType"] in ("ON_FAILURE", "ALWAYS", "NEVER")
    assert loaded["deploy"].get("healthcheckPath", "/v1/health") == "/v1/health"


def test_render_blueprint_runs_our_modes_with_variables_that_exist() -> None:
    text = (DEPLOY / "paas" / "render.yaml").read_text()
    blueprint = yaml.safe_load(text)

    assert _modes(text) == ["api", "migrate", "worker"]
    services = {service["name"]: service for service in blueprint["services"]}
    assert services["hogsend-api"]["type"] == "web"
    assert services["hogsend-worker"]["type"] == "worker"
    named = [
        variable
        for owner in (*blueprint["services"], *blueprint["envVarGroups"])
        for variable in owner.get("envVars", [])
        if "key" in variable
    ]
    assert {variable["key"] for variable in named} <= set(_KNOWN)
    assert not any("value" in v and _KNOWN[v["key"]].is_secret for v in named)
    referred = {v["fromService"]["name"] for v in named if "fromService" in v}
    assert referred <= set(services)
    assert {v["fromDatabase"]["name"] for v in named if "fromDatabase" in v} <= {
        database["name"] for database in blueprint["databases"]
    }


def test_fly_file_runs_our_modes_and_releases_with_a_migration() -> None:
    fly = tomllib.loads((DEPLOY / "paas" / "fly.toml").read_text())

    assert set(fly["processes"].values()) <= set(MODES)
    assert fly["deploy"]["release_command"] == "migrate"
    assert fly["http_service"]["processes"] == ["api"]
    assert fly["http_service"]["internal_port"] == 3002
    assert fly["http_service"]["checks"][0]["path"] == "/v1/health/ready"
    assert set(fly["env"]) <= set(_KNOWN)
    assert (DEPLOY / "paas" / fly["build"]["dockerfile"]).resolve().is_file()


def test_dockerfile_is_clean() -> None:
    tool = Path(sys.executable).with_name("hadolint")

    judged = subprocess.run(
        [str(tool), str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False
    )

    assert (judged.returncode, judged.stdout) == (0, "")
