"""Repeated header lines (RFC 9110 §5.3)."""

from __future__ import annotations

import json

import pytest
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY

from mcp_app.transports.request import Headers
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
    body = json.dumps(request("tools/list", {"_meta": META} if revision == MODERN else {})).encode()
    assert (await one.http.request("POST", headers=headers, body=body)).status == status


@pytest.mark.parametrize("versions", [[LATEST, MODERN], [MODERN, LATEST], [LATEST, "2025-06-18"]])
async def test_protocol_versions_that_contradict_each_other_are_no_version(
    one: Process, session: Session, versions: list[str]
) -> None:
    given = session.headers(mcp_protocol_version=None, mcp_method="tools/list")
    headers = [*given.items(), *(("mcp-protocol-version", version) for version in versions)]
    for method in ("POST", "GET", "DELETE"):
        body = json.dumps(request("tools/list")).encode() if method == "POST" else b""
        response = await one.http.request(method, headers=headers, body=body)
        assert response.status == 400
        assert (await response.json())["error"]["data"]["requested"] == ", ".join(versions)


async def test_a_repeated_equal_protocol_version_is_accepted_in_a_session(
    one: Process, session: Session
) -> None:
    headers = [*session.headers().items(), ("mcp-protocol-version", LATEST)]
    body = json.dumps(request("ping")).encode()
    assert (await one.http.request("POST", headers=headers, body=body)).status == 200


@pytest.mark.parametrize("name", ["authorization", "content-type", "mcp-session-id", "last-event-id"])
async def test_a_repeated_line_of_a_header_that_has_one_value_is_refused(
    one: Process, session: Session, name: str
) -> None:
    given = session.headers(last_event_id="x")
    for lines in ([(name, given[name]), (name, "other")], [(name, "other"), (name, given[name])]):
        headers = [*((key, value) for key, value in given.items() if key != name), *lines]
        for method in ("POST", "GET", "DELETE"):
            body = json.dumps(request("ping")).encode() if method == "POST" else b""
            response = await one.http.request(method, headers=headers, body=body)
            assert response.status == 400
            assert name in (await response.json())["error"]["message"].lower()


async def test_codings_on_several_lines_are_one_list(one: Process, session: Session) -> None:
    headers = [*session.headers().items(), ("content-encoding", "identity"), ("content-encoding", "gzip")]
    body = json.dumps(request("ping")).encode()
    assert (await one.http.request("POST", headers=headers, body=body)).status == 415


async def test_for_any_other_header_the_first_line_counts() -> None:
    headers = Headers([(b"host", b"first"), (b"accept", b"*/*"), (b"host", b"second")])
    assert headers == {"host": "first", "accept": "*/*"}
