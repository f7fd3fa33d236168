"""Header lines that come more than once (RFC 9110 §5.3)."""

from __future__ import annotations

import json

import pytest
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY

from mcp_app.transports import http
from tests.mcp_app.transports.support import LATEST, MODERN, Process, Session, request

META = {
    PROTOCOL_VERSION_META_KEY: MODERN,
    CLIENT_CAPABILITIES_META_KEY: {},
    CLIENT_INFO_META_KEY: {"name": "test", "version": "1"},
}


@pytest.mark.parametrize("revision", [LATEST, MODERN])
@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (["application/json", "text/event-stream"], 200),
        (["text/html", "text/event-stream", "application/json"], 200),
        (["application/json", "application/json"], 406),
    ],
)
async def test_accept_on_several_lines_is_one_list(
    one: Process, session: Session, revision: str, accept: list[str], status: int
) -> None:
    given = session.headers(accept=None, mcp_protocol_version=revision, mcp_method="tools/list")
    headers = [*given.items(), *(("accept", line) for line in accept)]
    body = json.dumps(request("tools/list", {"_meta": META})).encode()
    assert (await one.http.request("POST", headers=headers, body=body)).status == status


async def test_of_any_other_header_the_first_line_counts() -> None:
    scope = {"headers": [(b"host", b"first"), (b"accept", b"*/*"), (b"host", b"second")]}
    assert http.headers_of(scope) == {"host": "first", "accept": "*/*"}
