"""The Dockerfile, docker-compose.yml and the manifests of Kubernetes."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
MANIFESTS = sorted(
    path for path in (ROOT / "deploy/kubernetes").glob("*.yaml") if path.stem != "kustomization"
)
KUBERNETES = "1.33"
COMPOSE = (["docker", "compose"], ["docker-compose"])
SECONDS = 30


def test_everything_that_is_copied_into_the_image_exists_and_is_not_ignored() -> None:
    sources = re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored, source


def test_every_package_of_ours_is_copied_into_the_image() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"} | {"templates"}
    assert folders <= set(re.findall(r"^COPY (\S+) \./", DOCKERFILE, re.MULTILINE))


def test_the_process_gets_its_signals_itself_and_is_not_root() -> None:
    commands = re.findall(r"\bCMD (.*)", DOCKERFILE)
    assert len(commands) == 2
    for command in commands:
        assert json.loads(command)[0] in ("daphne", "python"), "no shell"
    [user] = re.findall(r"^USER (\d+)", DOCKERFILE, re.MULTILINE)
    assert int(user) > 0


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)


@cache
def compose() -> list[str] | None:
    """The command of Docker Compose, version 2 or later; None if it is not installed."""
    for command in COMPOSE:
        try:
            told = subprocess.run(
                [*command, "version", "--short"], capture_output=True, text=True, timeout=SECONDS
            )
        except OSError:
            continue
        if told.returncode == 0 and int(told.stdout.lstrip("v").split(".")[0]) >= 2:
            return command
    return None


def composed(*options: str) -> Any:
    command = compose()
    if command is None:
        pytest.skip("Docker Compose is not installed")
    done = run(*command, "--file", str(ROOT / "docker-compose.yml"), *options, "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["services"]


def test_without_a_profile_compose_starts_the_stores_alone() -> None:
    assert set(composed()) == {"valkey", "postgres"}


def test_the_full_profile_starts_everything_and_migrates_first() -> None:
    services = composed("--profile", "full")
    assert set(services) == {"valkey", "postgres", "migrate", "web", "daily", "nginx"}
    assert services["web"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    for name in ("migrate", "web", "daily"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
    assert "ports" not in services["web"], "it could not be scaled"


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes_accepts_a_manifest(path: Path) -> None:
    validating = pytest.importorskip("kubernetes_validate")
    yaml = pytest.importorskip("yaml")
    documents = list(yaml.safe_load_all(path.read_text()))
    assert documents
    for document in documents:
        validating.validate(document, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", ["deployment", "migrate", "prune"])
def test_pods_meet_the_restricted_standard(name: str) -> None:
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/
    text = (ROOT / f"deploy/kubernetes/{name}.yaml").read_text()
    for line in (
        "runAsNonRoot: true",
        "type: RuntimeDefault",
        "allowPrivilegeEscalation: false",
        'drop: ["ALL"]',
        "readOnlyRootFilesystem: true",
        "automountServiceAccountToken: false",
    ):
        assert line in text
