"""The compose files fit the compose specification and our own contract."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hogsend.settings import Settings, settings_of
from tests.deploy.tools import DEPLOY

FILES = ("compose.yml", "all-in-one.yml")
_DIRECTORY = DEPLOY / "compose"


def _load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((_DIRECTORY / name).read_text())
    return loaded


@pytest.mark.parametrize("name", FILES)
def test_compose_file_fits_the_specification(name: str) -> None:
    judged = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema"),
            *("--builtin-schema", "vendor.compose-spec", str(_DIRECTORY / name)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_compose_runs_one_image_in_three_modes_after_the_migration() -> None:
    services = _load("compose.yml")["services"]

    ours = {n: s for n, s in services.items() if "hogsend:" in s["image"] and "hatchet" not in n}
    assert {name: service["command"] for name, service in ours.items()} == {
        "migrate": ["migrate"],
        "api": ["api"],
        "worker": ["worker"],
    }
    assert len({service["image"] for service in ours.values()}) == 1
    for name in ("api", "worker"):
        waits = ours[name]["depends_on"]["migrate"]
        assert waits == {"condition": "service_completed_successfully"}
    assert "ports" not in services["postgres"]
    assert "ports" not in services["redis"]


@pytest.mark.parametrize("name", FILES)
def test_compose_publishes_no_default_password_and_drops_every_right(name: str) -> None:
    text = (_DIRECTORY / name).read_text()

    for service in _load(name)["services"].values():
        if "hogsend:" in service["image"] and "hatchet" not in service["image"]:
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
    passwords = re.findall(r"PASSWORD: (.+)", text)
    assert passwords
    assert all(":?" in password for password in passwords)


def test_example_environment_names_only_variables_that_exist() -> None:
    known = {n for s in settings_of(Settings) for n in (s.name, *s.aliases)}
    text = (_DIRECTORY / "env.example").read_text()
    names = set(re.findall(r"^([A-Z_]+)=", text, re.MULTILINE))
    interpolated = set(re.findall(r"\$\{([A-Z_]+)", "".join(_read(n) for n in FILES)))

    assert names - known <= interpolated
    assert {n for n in interpolated if f"{n}:?" in "".join(_read(f) for f in FILES)} <= names


def _read(name: str) -> str:
    return (_DIRECTORY / name).read_text()


def test_variables_in_compose_files_exist() -> None:
    known = {n for s in settings_of(Settings) for n in (s.name, *s.aliases)}

    for name in FILES:
        for service in _load(name)["services"].values():
            if "hogsend:" in service["image"] and "hatchet" not in service["image"]:
                assert set(service["environment"]) <= known


def test_directory_holds_nothing_that_is_not_tested() -> None:
    assert {path.name for path in Path(_DIRECTORY).iterdir()} == {*FILES, "env.example"}
