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

from tests.e2e.conftest import in_both_modes
from tests.support import forking
from tests.support.browser import Browser
from tests.support.deployment import Deployment
from tests.support.processes import ROOT

CLIENTS = ROOT / "docs" / "clients"
RUN_SECONDS = 90

pytestmark = pytest.mark.processes

needs_curl = pytest.mark.skipif(
    not all(shutil.which(name) for name in ("curl", "openssl")), reason="curl and openssl are needed"
)


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )


@needs_curl
@in_both_modes
def test_the_curl_client_uses_every_feature(site: Deployment) -> None:
    done = run("sh", str(CLIENTS / "curl.sh"), site.url, "grace")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert done.stdout.endswith("Every feature answered as expected.\n")
    assert not done.stderr


@needs_curl
@pytest.mark.parametrize("suffix", ["/mcp", "/", "/mcp/"])
def test_the_curl_client_takes_the_url_of_the_endpoint_too(site: Deployment, suffix: str) -> None:
    """Up to the sign-in, where the name is rejected."""
    done = run("sh", str(CLIENTS / "curl.sh"), site.url + suffix, "two words")
    assert done.returncode == 1
    assert done.stderr.startswith("two words is not signed in: A name may contain ")


@needs_curl
@pytest.mark.parametrize("path", ["/nowhere", "/sse", "/healthz"])
def test_the_curl_client_says_that_there_is_no_endpoint(site: Deployment, path: str) -> None:
    done = run("sh", str(CLIENTS / "curl.sh"), site.url + path)
    assert done.returncode == 1
    assert done.stderr == f"There is no MCP endpoint at {site.url}{path}/mcp that requires sign-in.\n"


@needs_curl
@pytest.mark.parametrize("address", ["http://localhost:1", "http://nowhere.invalid", "gopher://localhost"])
def test_the_curl_client_ends_with_1_where_nobody_answers(address: str) -> None:
    done = run("sh", str(CLIENTS / "curl.sh"), address)
    assert done.returncode == 1
    assert f"{address} does not answer as expected" in done.stderr


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
    assert done.stderr == f"{missing} is required: install it first.\n"


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
@needs_curl
@pytest.mark.parametrize("address", ["http://localhost:1", "http://nowhere.invalid", "https://localhost:1"])
def test_the_python_client_says_that_nobody_answers(revision: str, address: str) -> None:
    (sentence,) = mistaken(f"{address}/mcp", "--as", "ada", "--revision", revision)
    assert sentence.startswith(f"{address}/mcp cannot be reached (")


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize(
    ("path", "says"),
    [("", "/mcp"), ("/nowhere", "/mcp"), ("/sse", "Method not allowed"), ("/healthz", "ends with /mcp")],
)
def test_the_python_client_says_that_this_is_not_the_endpoint(
    site: Deployment, path: str, says: str, revision: str
) -> None:
    (sentence,) = mistaken(f"{site.url}{path}", "--as", "ada", "--revision", revision)
    assert sentence.startswith(f"{site.url}{path} cannot be used: ")
    assert says in sentence


def test_the_python_client_says_that_the_server_has_another_address(site: Deployment) -> None:
    other = site.mcp_url.replace("localhost", "127.0.0.1")
    (sentence,) = mistaken(other, "--as", "ada")
    assert sentence.startswith(f"{other} cannot be used: ")
    assert site.mcp_url in sentence


@pytest.mark.parametrize("name", ["root", "two words", "<b>"])
def test_the_python_client_says_why_nobody_is_signed_in(site: Deployment, name: str) -> None:
    make = "from django.contrib.auth.models import User as U; U.objects.filter(username='root').exists()"
    site.installation.run("shell", "-c", f"{make} or U.objects.create_superuser('root')")
    (sentence,) = mistaken(site.mcp_url, "--as", name)
    assert sentence.startswith(f"{name} is not signed in: ")
    assert "<" not in sentence.removeprefix(name)


def test_the_python_client_says_that_the_scheme_is_missing() -> None:
    (sentence,) = mistaken("localhost:3232/mcp", "--as", "ada")
    assert sentence == "localhost:3232/mcp lacks its scheme, such as http://localhost:3232/mcp"


def mistaken(*arguments: str) -> list[str]:
    """The error message of the Python client."""
    script = str(CLIENTS / "python_client.py")
    done = forking.run([script, *arguments], environment(), CLIENTS, timeout=RUN_SECONDS)
    assert done.returncode == 1
    return done.stderr.splitlines()


@in_both_modes
@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_the_python_client_uses_every_feature(site: Deployment, revision: str) -> None:
    script = str(CLIENTS / "python_client.py")
    done = run(sys.executable, script, site.mcp_url, "--as", "ada", "--revision", revision)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert f"Connected at {revision}" in done.stdout
    assert done.stdout.endswith("Every feature answered as expected.\n")


async def test_the_python_client_waits_for_a_user_who_signs_in_elsewhere(site: Deployment) -> None:
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
