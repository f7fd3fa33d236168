"""The samples of `deploy/` pass the checks of the programs that they are for, where those are installed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mcp_app.conf import Conf
from tests.rolling.proxies import KEEPS_CONNECTIONS, version
from tests.support.processes import ROOT

DEPLOY = ROOT / "deploy"
SYSTEMD = DEPLOY / "systemd"
PYTHON = "/opt/everything-server/.venv/bin/"
EXPOSED = 20
"""The most that `systemd-analyze security` may find, in tenths: 100 is a service without any limits."""

SECONDS = 30


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def run(command: Sequence[str | Path], **options: object) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate with its key, in one file."""
    path = tmp_path / "both.pem"
    names = ["-subj", "/CN=mcp.example.com", "-days", "1", "-nodes"]
    run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            *names,
            "-keyout",
            path,
            "-out",
            tmp_path / "one.pem",
        ]
    )
    path.write_text(path.read_text() + (tmp_path / "one.pem").read_text())
    return path


@needs("nginx")
@needs("openssl")
def test_nginx_accepts_its_sample(certificate: Path, tmp_path: Path) -> None:
    sample = (DEPLOY / "nginx/everything-server.conf").read_text()
    sample = re.sub(r"/etc/ssl/\S+(?=;)", str(certificate), sample)
    sample = sample.replace("/var/log/nginx", str(tmp_path))
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid;\nerror_log {tmp_path}/log;\nevents {{}}\nhttp {{\n{sample}}}\n"
    )
    run(["nginx", "-t", "-c", tmp_path / "nginx.conf", "-p", tmp_path])


@needs("nginx")
def test_nginx_accepts_the_configuration_of_docker_compose(tmp_path: Path) -> None:
    if version() < KEEPS_CONNECTIONS:
        pytest.skip("nginx is older than that of docker-compose.yml")
    sample = (DEPLOY / "nginx/compose.conf").read_text().replace("/dev/stdout", str(tmp_path / "log"))
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid;\nerror_log {tmp_path}/log;\nevents {{}}\nhttp {{\n{sample}}}\n"
    )
    run(["nginx", "-t", "-c", tmp_path / "nginx.conf", "-p", tmp_path])


@needs("haproxy")
@needs("openssl")
def test_haproxy_accepts_its_sample(certificate: Path, tmp_path: Path) -> None:
    sample = (DEPLOY / "haproxy/haproxy.cfg").read_text()
    (tmp_path / "haproxy.cfg").write_text(re.sub(r"/etc/ssl/\S+", str(certificate), sample))
    run(["haproxy", "-c", "-f", tmp_path / "haproxy.cfg"])


@needs("systemd-analyze")
@pytest.mark.parametrize(
    "unit",
    [
        "everything-server@8101.service",
        "everything-server-manage@prune.service",
        "everything-server-prune.timer",
        "everything-server-alive@8101.service",
        "everything-server-alive@8101.timer",
    ],
)
def test_systemd_accepts_a_unit(unit: str, tmp_path: Path) -> None:
    for path in SYSTEMD.iterdir():  # the programs of this environment, as those of the sample are not there
        text = path.read_text().replace(PYTHON, f"{Path(sys.prefix) / 'bin'}/")
        (tmp_path / path.name).write_text(text)
    environment = {"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"}
    run(["systemd-analyze", "verify", "--man=no", unit], env=environment)


@needs("curl")
@pytest.mark.parametrize(("state", "kills"), [("hangs", True), ("is not there", False)])
def test_a_process_is_killed_if_it_hangs_and_not_if_it_refuses_connections(
    state: str, kills: bool, tmp_path: Path
) -> None:
    unit = (SYSTEMD / "everything-server-alive@.service").read_text()
    [script] = re.findall(r"^ExecStart=/bin/sh -c '(.+)'$", unit, re.MULTILINE)
    script = re.sub(r"--max-time \d+ --retry \d+", "--max-time 0.2", script).replace("$$", "$")
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\ntouch {tmp_path}/killed\n")
    (tmp_path / "systemctl").chmod(0o700)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        if state == "is not there":
            listening.close()
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        run(["/bin/sh", "-c", script.replace("%i", str(port))], env=environment)
    assert (tmp_path / "killed").exists() == kills


@needs("systemd-analyze")
@pytest.mark.parametrize("path", sorted(SYSTEMD.glob("*.service")), ids=lambda path: path.name)
def test_a_service_may_do_little_besides_its_work(path: Path) -> None:
    run(["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSED}", path])


def test_a_unit_waits_longer_than_a_shutdown_takes() -> None:
    unit = (SYSTEMD / "everything-server@.service").read_text()
    [seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    # The parts of mcp_app.shutdown: the two settings, three parts to hand over, streams to close, the rest.
    assert int(seconds) >= 10 + Conf.shutdown_grace_seconds.default + 3 * 10 + 2 + 4
