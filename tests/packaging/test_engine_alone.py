"""docs/engine-alone.md, followed word for word: a new project with the wheel and without oauth_app."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.core import signing
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.docs.markdown import blocks
from tests.support import redis_servers
from tests.support.folders import short_folder
from tests.support.foreign import Environment, Project
from tests.support.processes import free_port

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

PAGE = "engine-alone.md"
COPIES = Path(__file__).with_name("copies.py")
PATIENCE = 120

SERVERS = {
    "runserver": ["manage.py", "runserver", "--noreload", "127.0.0.1:PORT"],
    "daphne": ["-m", "daphne", "-v", "0", "-p", "PORT", "mysite.asgi:application"],
    "uvicorn": ["-m", "uvicorn", "--port", "PORT", "--lifespan", "on", "mysite.asgi:application"],
    "granian": ["-m", "granian", "--interface", "asgi", "--port", "PORT", "mysite.asgi:application"],
}

LINES = {
    '"daphne", ': '"daphne" first in INSTALLED_APPS',
    ', "mcp_app"': 'Add "mcp_app" to INSTALLED_APPS',
    'ASGI_APPLICATION = "mysite.asgi.application"': 'ASGI_APPLICATION = "mysite.asgi.application"',
    'MCP_SERVER = "mysite.mcp.build"': 'MCP_SERVER = "',
    'MCP_RESOURCE_URL = "http://localhost:8000/mcp"': 'MCP_RESOURCE_URL = "',
    'MCP_ISSUER = "https://auth.example.com"': 'MCP_ISSUER = "',
    'MCP_TOKEN_VERIFIER = "mysite.tokens.Verifier"': 'MCP_TOKEN_VERIFIER = "',
    'MCP_REDIS_URL = "redis://127.0.0.1:6379/0"': 'MCP_REDIS_URL = "',
    "application = mcp_application(application)": "from mcp_app.routing import mcp_application",
    'path("", include("mcp_app.urls")), ': 'path("", include("mcp_app.urls"))',
    ", **engine.options()": "**engine.options()",
}
"""Each line or part of one that can be forgotten, and what is then said."""


@pytest.fixture(scope="module")
def said(installed: Environment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the project says, and each of its copies that lacks a line. Its Redis does not run."""
    complete = tmp_path_factory.mktemp("complete")
    project = Project.start(installed, complete, {})
    new = tmp_path_factory.mktemp("copies") / "new"
    shutil.copytree(complete, new)
    project.follow(PAGE)
    folders = {"": complete, "new": new}
    for number, line in enumerate(LINES):
        folders[line] = copy = tmp_path_factory.mktemp("copies") / str(number)
        shutil.copytree(complete, copy)
        [path] = [path for path in copy.rglob("*.py") if line in path.read_text()]
        before, _, after = path.read_text().rpartition(line)
        path.write_text(before + after)
    project.run("-I", str(COPIES), *map(str, folders.values()))
    return {line: json.loads((folder / "said.json").read_text()) for line, folder in folders.items()}


def test_the_engine_is_that_of_the_wheel(said: dict[str, Any], installed: Environment) -> None:
    assert Path(said[""]["engine"]).is_relative_to(installed.folder)


def test_the_finished_project_passes_all_checks(said: dict[str, Any]) -> None:
    assert said[""]["found"] == []


def test_loading_the_project_connects_to_nothing(said: dict[str, Any]) -> None:
    assert said[""]["connected"] == []


def test_no_other_setting_of_the_project_is_changed_and_no_logging(said: dict[str, Any]) -> None:
    before, after = said["new"]["settings"], said[""]["settings"]
    changed = {name for name in after if before.get(name) != after[name]}
    lines = next(block for block in blocks(PAGE, "python") if "mysite/settings.py" in block)
    assert changed == set(re.findall(r"^([A-Z_]+) =", lines, re.M))
    assert said[""]["handlers"] == said["new"]["handlers"]


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_is_missing_is_named(said: dict[str, Any], line: str) -> None:
    assert any(LINES[line] in each for each in said[line]["found"]), said[line]["found"]


@dataclass
class Site:
    """One project, served by four servers."""

    folder: Path
    ports: dict[str, int]
    processes: dict[str, subprocess.Popen[bytes]]

    def log(self, server: str) -> str:
        return (self.folder / f"{server}.log").read_text()

    def token(self, subject: str) -> str:
        match = re.search(r"^SECRET_KEY = '(.+)'$", (self.folder / "mysite/settings.py").read_text(), re.M)
        assert match
        return signing.dumps(subject, key=match[1], salt="mcp")

    def url(self, server: str) -> str:
        """Where a server is, once it is ready."""
        if server not in self.ports:
            pytest.skip(f"{server} is not installed")
        url, deadline = f"http://127.0.0.1:{self.ports[server]}", time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self.processes[server].poll() is None, self.log(server)
            try:
                if httpx2.get(f"{url}/readyz").status_code == 200:
                    return url
            except httpx2.TransportError:
                time.sleep(0.05)
        raise AssertionError(self.log(server))


@pytest.fixture(scope="module")
def site(installed: Environment) -> Iterator[Site]:
    with short_folder() as name, ExitStack() as stack:
        folder = Path(name)
        redis_url = redis_servers.url_for(folder)
        stack.enter_context(redis_servers.running(redis_url))
        project = Project.start(installed, folder, {"redis://127.0.0.1:6379/0": redis_url})
        project.follow(PAGE)
        project.manage("migrate", "--verbosity", "0")
        made = Site(folder, {}, {})
        for server, words in SERVERS.items():
            module = words[1] if words[0] == "-m" else "django"
            try:
                project.run("-c", f"import {module}")
            except subprocess.CalledProcessError:
                continue
            made.ports[server] = port = free_port()
            command = ("python", *(word.replace("PORT", str(port)) for word in words))
            made.processes[server] = stack.enter_context(
                project.running(*command, log=folder / f"{server}.log")
            )
        yield made


@pytest.mark.parametrize("server", SERVERS)
async def test_a_client_calls_a_tool_and_the_server_ends_without_an_error(site: Site, server: str) -> None:
    url = site.url(server)
    headers = {"authorization": f"Bearer {site.token('alice')}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
    ):
        result = await client.call_tool("whoami", {})
        assert result.structured_content == {"result": "alice"}
        # Everything else is Django's.
        assert "Django administration" in (await http.get(f"{url}/admin/login/")).text
    refused = httpx2.post(f"{url}/mcp", headers={"authorization": "Bearer forged"})
    assert refused.status_code == 401
    [metadata] = re.findall(
        r'resource_metadata="http://localhost:8000([^"]+)"', refused.headers["www-authenticate"]
    )
    assert httpx2.get(url + metadata).json()["authorization_servers"] == ["https://auth.example.com"]


@pytest.mark.parametrize("server", ["runserver", "daphne"])
def test_under_daphne_forms_are_not_parsed_and_no_client_says_what_the_root_path_is(
    site: Site, server: str
) -> None:
    url = site.url(server)
    malformed = {"content-type": "multipart/form-data"}  # without a boundary, which Twisted answers with 400
    assert httpx2.post(f"{url}/healthz", headers=malformed, content=b"a form").status_code == 200
    page = httpx2.get(f"{url}/admin/login/", headers={"Daphne-Root-Path": "/zzz"})
    assert page.status_code == 200
    assert "/zzz" not in page.text


@pytest.mark.parametrize("server", SERVERS)
def test_a_head_that_is_too_large_is_refused(site: Site, server: str) -> None:
    headers = {"authorization": "Bearer " + "x" * 17_000}
    assert httpx2.post(f"{site.url(server)}/mcp", headers=headers).status_code == 431


@pytest.mark.parametrize("server", SERVERS)
def test_without_its_database_a_process_is_not_ready(site: Site, server: str) -> None:
    url, database = site.url(server), site.folder / "db.sqlite3"
    kept = database.rename(site.folder / "kept.sqlite3")
    try:
        answer = httpx2.get(f"{url}/readyz")
    finally:
        kept.rename(database)
    assert (answer.status_code, answer.json()["reason"]) == (503, "database")
    assert httpx2.get(f"{url}/readyz").status_code == 200


def test_the_project_has_no_table_of_the_engine(site: Site) -> None:
    with closing(sqlite3.connect(site.folder / "db.sqlite3")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
    assert "auth_user" in tables
    assert not [name for name in tables if name.startswith("mcp_")]
