"""The clients of docs/clients, run as a reader would run them, against two processes."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.browser import Browser
from tests.support.deployment import Deployment
from tests.support.processes import ROOT

CLIENTS = ROOT / "docs" / "clients"
RUN_SECONDS = 90

pytestmark = pytest.mark.processes


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )


@pytest.mark.skipif(
    not all(shutil.which(name) for name in ("curl", "openssl")), reason="curl and openssl are needed"
)
def test_curl_alone_walks_every_feature(site: Deployment) -> None:
    done = run("sh", str(CLIENTS / "curl.sh"), site.url, "grace")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert done.stdout.endswith("Every feature answered as expected.\n")
    assert not done.stderr


@pytest.mark.parametrize("missing", ["curl", "openssl"])
def test_the_curl_client_names_the_tool_that_it_lacks(tmp_path: Path, missing: str) -> None:
    for tool in {"curl", "openssl", "dirname"} - {missing}:
        (tmp_path / tool).symlink_to("/bin/true")
    shell = shutil.which("sh")
    assert shell
    command = [shell, str(CLIENTS / "curl.sh"), "http://localhost:1"]
    done = subprocess.run(
        command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=RUN_SECONDS
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{missing} is needed: install it first.\n"


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize("address", ["http://localhost:1", "http://nowhere.invalid", "https://localhost:1"])
def test_the_python_client_says_that_nobody_answers(revision: str, address: str) -> None:
    script = str(CLIENTS / "python_client.py")
    done = run(sys.executable, script, f"{address}/mcp", "--as", "ada", "--revision", revision)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"{address}/mcp cannot be reached (")


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_the_python_client_walks_every_feature(site: Deployment, revision: str) -> None:
    script = str(CLIENTS / "python_client.py")
    done = run(sys.executable, script, site.mcp_url, "--as", "ada", "--revision", revision)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert f"Connected at {revision}" in done.stdout
    assert done.stdout.endswith("Every feature answered as expected.\n")


async def test_the_python_client_waits_for_a_person_who_signs_in_elsewhere(site: Deployment) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(CLIENTS / "python_client.py"), site.mcp_url),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    said = ""
    try:
        async with asyncio.timeout(RUN_SECONDS), Browser("bob") as browser:
            async for line in process.stdout:
                said += line.decode()
                if url := re.fullmatch(r"(http\S+/authorize\?\S+)\n", line.decode()):
                    [callback] = parse_qs(urlsplit(url[1]).query)["redirect_uri"]
                    await browser.visit(await browser.authorize(url[1], callback))
            assert await process.wait() == 0, said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert said.endswith("Every feature answered as expected.\n")
