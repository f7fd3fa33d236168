"""What the landing page offers to copy for Python and curl runs as it is, with a token in MCP_TOKEN."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys

import pytest

from everything_site.pages.connect import clients
from tests.support.client import sign_in
from tests.support.deployment import Deployment

pytestmark = pytest.mark.processes

PROGRAMS = {"python": [sys.executable, "-c"], "curl": ["sh", "-c"]}


@pytest.mark.parametrize("slug", PROGRAMS)
def test_a_copied_snippet_adds_two_numbers(integrated: Deployment, slug: str) -> None:
    if slug == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    [client] = [client for client in clients(integrated.mcp_url) if client.slug == slug]
    token = asyncio.run(sign_in(integrated.mcp_url, "alice"))
    run = subprocess.run(
        [*PROGRAMS[slug], client.snippets[-1].text],
        env={"PATH": os.environ["PATH"], "MCP_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.returncode == 0, run.stderr
    assert "42" in run.stdout
