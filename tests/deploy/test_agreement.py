"""The samples of `deploy/` and the pages about them say the same, and name only what exists."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from everything_site.conf import OF_THE_APPS, Environment
from tests.docs.markdown import DOCS, blocks
from tests.support.processes import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
KUBERNETES = DEPLOY / "kubernetes"
KNOWN = {setting.variable for setting in (*Environment.declared(), *OF_THE_APPS)}
LAME_DUCK = "MCP_LAME_DUCK_SECONDS"


def names(path: Path, line: str) -> set[str]:
    """The variables that a file sets, in lines that a pattern with one group describes."""
    return set(re.findall(line, path.read_text(), re.MULTILINE))


def variables() -> dict[str, set[str]]:
    """The variables that each sample sets."""
    compose = (ROOT / "docker-compose.yml").read_text()
    [block] = re.findall(r"&environment\n(.*?)\n  \w", compose, re.DOTALL)
    [page] = [block for block in blocks("production.md", "sh") if "SECRET_KEY=" in block]
    return {
        "Docker Compose": set(re.findall(r"^    ([A-Z_]+):", block, re.MULTILINE)),
        "systemd": names(DEPLOY / "systemd/everything-server@.service", r"^Environment=([A-Z_]+)="),
        "Kubernetes": names(KUBERNETES / "configuration.yaml", r"^  ([A-Z_]+):"),
        "production.md": set(re.findall(r"^([A-Z_]+)=", page, re.MULTILINE)),
    }


SECRETS = names(KUBERNETES / "secret.example.yaml", r"^  ([A-Z_]+):")


def test_every_variable_of_a_sample_exists() -> None:
    used = set().union(
        *variables().values(), SECRETS, *(names(unit, r"^Environment=([A-Z_]+)=") for unit in UNITS)
    )
    assert len(used) > 8
    assert {name.removesuffix("_FILE") for name in used} <= KNOWN


@pytest.mark.parametrize("sample", sorted(variables()))
def test_every_sample_lets_its_processes_serve_on_after_sigterm(sample: str) -> None:
    assert LAME_DUCK in variables()[sample]


def test_the_samples_agree_about_the_ports() -> None:
    [listed] = blocks("monitoring.md", "json")
    scraped = json.loads(listed)[0]["targets"]
    assert json.dumps(scraped) in (DEPLOY / "monitoring/prometheus.yml").read_text()
    page = (DOCS / "deployment.md").read_text()
    assert {f"127.0.0.1:{port}" for port in re.findall(r"everything-server@(81\d\d)\b", page)} >= set(scraped)
    balanced = re.findall(r"^ *server \w+ (127\S+)", (DEPLOY / "haproxy/haproxy.cfg").read_text(), re.M)
    assert set(scraped) < set(balanced), "and a port more for each, to which it is replaced"


def test_the_page_says_where_prometheus_reads_the_token() -> None:
    sample = (DEPLOY / "monitoring/prometheus.yml").read_text()
    [file] = re.findall(r"credentials_file: (\S+)", sample)
    assert f"`{file}`" in (DOCS / "monitoring.md").read_text()


def test_nginx_the_units_and_the_page_agree_about_the_sockets() -> None:
    links = re.findall(r"^ *server unix:(\S+)", (DEPLOY / "nginx/everything-server.conf").read_text(), re.M)
    unit = (DEPLOY / "systemd/everything-server@.service").read_text()
    [folder] = re.findall(r"^RuntimeDirectory=(\S+)$", unit, re.M)
    [socket] = re.findall(r"^ExecStart=.* -p %i -e unix:([^\s:]+)", unit, re.M)
    assert socket.startswith(f"/run/{folder}/")
    text = "\n".join(blocks("deployment.md", "bash"))
    commands = re.findall(r"^ln -sfn (/run/\S+) (\S+)", text, re.M)
    made = [(socket.replace("%i", f"810{number}"), link) for number, link in enumerate(links, 1)]
    assert commands == [*made, (socket.replace("%i", "8111"), links[0])]


def test_the_page_puts_nothing_into_another_namespace() -> None:
    text = "\n".join(blocks("deployment.md", "bash")).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in text.splitlines() if line.startswith("kubectl ")]
    assert lines
    for words in lines:
        if "--filename" in words:
            manifest = (ROOT / words[words.index("--filename") + 1]).read_text()
            says_so = "namespace: everything-server" in manifest or "kind: Namespace" in manifest
        else:
            says_so = "--kustomize" in words
        assert says_so or words[1:3] == ["--namespace", "everything-server"], words
