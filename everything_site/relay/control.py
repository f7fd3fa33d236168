"""`/-/processes`: lists, kills and starts the processes, for pages of this very server on this computer.

    GET  /-/processes            {"processes": [{"name": "p1", "state": "up", "pid": 4711}, …]}
    POST /-/processes/p1/kill    SIGKILL; 409 if it is dead
    POST /-/processes/p1/start   at once, and not only after five seconds; 409 if it is running

The relay answers itself. Whoever asks must be on this computer, must reach it by a name of this computer,
which no other site can take (DNS rebinding), and not through a proxy, whose clients may be anywhere. A page
must be of this server. What changes something needs the header `X-Requested-With`: to send it for a page of
another origin, a browser first asks with OPTIONS, which is refused.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from everything_site.relay.head import Head, Refusal, response
from everything_site.relay.workers import Workers
from mcp_app.hosts import is_loopback

PREFIX = b"/-/"

_PROXIED = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"via", b"x-real-ip")

_ACTION = re.compile(rb"/-/processes/([a-z0-9]{1,10})/(kill|start)")


def answer(head: Head, peer: str, port: int, workers: Workers) -> bytes:
    """The response to a request whose path starts with `PREFIX`.

    Args:
        head: The head of the request.
        peer: The address of the client.
        port: The port of this server.
        workers: The processes.
    """
    try:
        _refuse_strangers(head, peer, port)
        return response(200, _act(head, workers))
    except Refusal as refusal:
        return refusal.response()


def _refuse_strangers(head: Head, peer: str, port: int) -> None:
    """Raise a Refusal unless somebody on this computer asks, by its name, and with no page or one of ours."""
    hosts = head.values(b"host")
    if not ip_address(peer.partition("%")[0]).is_loopback or any(head.values(name) for name in _PROXIED):
        raise Refusal(403, "Only this computer may ask, and without a proxy.")
    if len(hosts) != 1 or not _is_here(host := hosts[0].decode("latin-1"), port):
        raise Refusal(421, "Host must be a name of this computer, with the port of this server.")
    origins = {origin.decode("latin-1") for origin in head.values(b"origin")}
    if origins - {f"http://{host}"} or (head.method == b"POST" and not origins):
        raise Refusal(403, "Origin must be this server.")
    if head.method == b"POST" and not head.values(b"x-requested-with"):
        raise Refusal(403, "The header X-Requested-With is missing.")


def _is_here(host: str, port: int) -> bool:
    try:
        parts = urlsplit(f"//{host}")
        return is_loopback(parts.hostname) and (parts.port or 80) == port
    except ValueError:
        return False


def _act(head: Head, workers: Workers) -> dict[str, Any]:
    action = _ACTION.fullmatch(head.path)
    if head.path != b"/-/processes" and not action:
        raise Refusal(404, "There is nothing here.")
    allowed = b"POST" if action else b"GET"
    if head.method != allowed:
        raise Refusal(405, f"Use {allowed.decode()}.", (f"Allow: {allowed.decode()}",))
    if action:
        worker = workers.find(action[1].decode())
        if action[2] == b"kill":
            worker.kill()
        else:
            worker.start()
    return {"processes": [worker.as_json() for worker in workers.all]}
