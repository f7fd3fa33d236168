"""The hello-world app in a host page, in Chromium: it starts, receives the result, and grows to show it."""

import json
import queue
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from .support import MODERN, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOST = Path(__file__).with_name("apps_host.html")
WAIT = 60


@contextmanager
def served(page: str):
    """A page at a URL of this computer; yields the URL, and the lines that the page posts back."""
    lines: queue.Queue[str] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(200 if self.path == "/" else 404, page.encode())

        def do_POST(self):
            lines.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._answer(200, b"")

        def _answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", lines
        finally:
            server.shutdown()
            thread.join(WAIT)


@contextmanager
def browsing(url: str, profile: Path):
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", url]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        browser.terminate()
        browser.wait(WAIT)


@pytest.fixture
async def app(server):
    """The app's page and the result of its tool, as a host gets them."""
    async with connect(server, MODERN) as client:
        result = await client.call_tool("mcp_apps_hello_world")
        (page,) = (await client.read_resource("ui://hello-world/app.html")).contents
    assert page.meta["ui"]["csp"] == {"connectDomains": [], "resourceDomains": []}
    return {"page": page.text, "result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_app_is_shown_by_a_host(app, tmp_path):
    page = HOST.read_text().replace("DATA", json.dumps(app).replace("</", "<\\/"))
    said, heights = [], []
    deadline = time.monotonic() + WAIT
    with served(page) as (url, lines), browsing(url, tmp_path / "profile"):
        # It has grown once the greeting and the features are there.
        while len(heights) < 2 or heights[-1] <= heights[0]:
            said.append(lines.get(timeout=max(0.1, deadline - time.monotonic())))
            if said[-1].startswith("height"):
                heights.append(int(said[-1].split()[1]))
    assert said[:2] == ["initialize 2026-01-26 hello-world", "initialized"]
    assert "result" in said
    assert not [line for line in said if line.startswith("unknown")]
