"""A form in a charset that cannot be read is refused before anything reads it: 400, and no traceback."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from everything_site.middleware.handler import Handler
from tests.everything_site.started import COMMANDS, SEPARATE, ask, served
from tests.support.asgi import PATIENCE, Http, Response
from tests.support.processes import Installation

PATHS = [
    *("/token", "/revoke", "/introspect"),
    *("/authorize", "/connections", "/admin/login/", "/fakeupstreamauth/authorize", "/no/such/page"),
]
MULTIPART = "multipart/form-data; boundary=x"
URLENCODED = "application/x-www-form-urlencoded"
CHARSETS = ["rot13", "hex", "base64", "undefined", "idna", "punycode", "utf-16", "utf-7", "nosuch"]
PARAMETERS = ["charset*=idna''%ff", "boundary*=undefined''x", "x*=nosuch''a", "charset=\0"]
FORM = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'
COOKIE = f"everything-3232-csrf={'x' * 32}"


async def post(path: str, content_type: str, body: bytes = FORM) -> Response:
    """The response, when the handler is done with the request."""
    headers = {"host": "localhost", "cookie": COOKIE, "content-type": content_type}
    response = await Http(Handler()).request("POST", path, headers=headers, body=body)
    assert response.task
    await asyncio.wait_for(response.task, PATIENCE)
    return response


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "content_type",
    [
        *(f"{kind}; charset={charset}" for kind in (MULTIPART, URLENCODED) for charset in CHARSETS),
        *(f"{kind}; {one}" for kind in (MULTIPART, URLENCODED, "text/plain") for one in PARAMETERS),
        *(f"{URLENCODED}; charset={charset}" for charset in ("iso-8859-1", "us-ascii", "utf8", "utf_8")),
    ],
)
async def test_a_charset_that_is_not_one_of_text_is_refused(
    caplog: pytest.LogCaptureFixture, path: str, content_type: str
) -> None:
    with caplog.at_level(logging.INFO):
        response = await post(path, content_type)
    assert (response.status, response.content_type) == (400, "application/json")
    assert (await response.json())["error"] == "invalid_request"
    assert response.headers["cache-control"] == "no-store"
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", '; charset="UTF-8"', "; charset=iso-8859-1"])
async def test_a_charset_of_text_is_read(charset: str) -> None:
    response = await post("/token", MULTIPART + charset)
    assert (await response.json())["error_description"] == "grant_type is missing."


async def test_the_charset_of_what_is_no_form_does_not_matter() -> None:
    response = await post("/register", "application/json; charset=rot13", b"{")
    assert (await response.json())["error"] == "invalid_client_metadata"


@pytest.mark.processes
@pytest.mark.parametrize("command", ["daphne", "daphne of the authorization server"])
def test_every_server_refuses_it(made: Installation, command: str) -> None:
    separate = SEPARATE if "auth" in command else {}
    with served(made, COMMANDS[command], separate) as port:
        for content_type in (f"{MULTIPART}; charset=rot13", "text/plain; x*=nosuch''a"):
            status, body = ask(port, "POST", FORM, "/token", Content_Type=content_type)
            assert (status, json.loads(body)["error"]) == (400, "invalid_request")
