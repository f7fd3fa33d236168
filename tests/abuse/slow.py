"""`slow`: how long each server waits for a client that is slow or silent."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

from tests.abuse.site import Site, serving

EVERY = 2.0
"""Seconds between two bytes of a slow client."""

HEAD = b"POST /token HTTP/1.1\r\nHost: localhost\r\n"
BODY = HEAD + b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


@dataclass(frozen=True)
class Client:
    """One slow client: what it sends first, and then a byte of every few seconds, if any."""

    name: str
    first: bytes
    drip: bytes = b""


CLIENTS = (
    Client("sends nothing", b""),
    Client("stops in the head", HEAD),
    Client("sends the head byte by byte", HEAD + b"X-A: ", b"a"),
    Client("stops in the body", BODY + b"{"),
    Client("sends the body byte by byte", BODY, b" "),
    Client("is idle after a response", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
)


def wait(site: Site, client: Client, seconds: float) -> float | None:
    """The seconds until the server closes the connection, or None if it does not within `seconds`."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", site.ports[0])) as connection:
        connection.sendall(client.first)
        while time.monotonic() - began < seconds:
            if select.select([connection], [], [], EVERY)[0]:
                with contextlib.suppress(ConnectionError):
                    if connection.recv(65536):
                        continue
                return time.monotonic() - began
            with contextlib.suppress(OSError):
                connection.sendall(client.drip)
    return None


def measure(server: str, seconds: float) -> dict[str, float | None]:
    """Let all slow clients come to one server at once."""
    found: dict[str, float | None] = {}
    with serving(server, 1, ()) as site:

        def one(client: Client) -> None:
            found[client.name] = wait(site, client, seconds)

        threads = [threading.Thread(target=one, args=(client,)) for client in CLIENTS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found


def main(options: Any) -> int:
    results = {server: measure(server, options.seconds) for server in options.servers}
    if options.json:
        print(json.dumps(results, indent=2))
        return 0
    print(f"{'a client that':<30}" + "".join(f"{server:>16}" for server in results))
    for client in CLIENTS:
        waits = [results[server][client.name] for server in results]
        cells = [f"over {options.seconds:.0f} s" if each is None else f"{each:.0f} s" for each in waits]
        print(f"{client.name:<30}" + "".join(f"{cell:>16}" for cell in cells))
    return 0
