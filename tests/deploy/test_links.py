"""nginx finds the processes by links to their sockets."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from tests.rolling.proxies import Nginx, running
from tests.rolling.servers import socket_of
from tests.support.folders import short_folder
from tests.support.processes import free_port

SECONDS = 10.0


@asynccontextmanager
async def answering(folder: Path, number: int) -> AsyncIterator[None]:
    """A process that answers with its number, and then closes the connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n%d" % number)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_unix_server(answer, socket_of(folder, number)):
        yield


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
@pytest.mark.parametrize("old_one", ["still answers", "is gone"])
async def test_nginx_follows_a_link_that_has_changed_without_a_reload(old_one: str) -> None:
    with short_folder() as name:
        folder = Path(name)
        port = free_port()
        proxy = Nginx(folder, port, retries=False)
        with running(proxy, [1]):
            async with httpx2.AsyncClient(timeout=SECONDS) as client, answering(folder, 2):
                async with answering(folder, 1):
                    assert (await client.get(f"http://127.0.0.1:{port}/")).text == "1"
                    proxy.tell([2])
                    if old_one == "still answers":
                        assert (await client.get(f"http://127.0.0.1:{port}/")).text == "2"
                assert (await client.get(f"http://127.0.0.1:{port}/")).text == "2"
