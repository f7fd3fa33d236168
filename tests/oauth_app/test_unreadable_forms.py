"""Unreadable forms: endpoints for clients and resource servers answer with a protocol error."""

from __future__ import annotations

import logging

import pytest
from django.test import Client

FORM = "application/x-www-form-urlencoded"
UNREADABLE = {
    "many fields": ("&".join(f"a{number}=b" for number in range(2000)), FORM),
    "a large body": ("a=" + "b" * 5_000_000, FORM),
    "another encoding": ("a=b", f"{FORM}; charset=latin-1"),
    "an unknown encoding": ("a=b", f"{FORM}; charset=rot13"),
    "no boundary": ("a=b", "multipart/form-data"),
    "a bad boundary": ("a=b", "multipart/form-data; boundary=é"),
    **{
        f"the charset {charset}": (
            '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
            f"multipart/form-data; boundary=x; charset={charset}",
        )
        for charset in ("rot13", "hex", "undefined", "idna")
    },
    "many files": (
        "".join(
            f'--x\r\nContent-Disposition: form-data; name="a"; filename="{number}"\r\n\r\nb\r\n'
            for number in range(200)
        )
        + "--x--\r\n",
        "multipart/form-data; boundary=x",
    ),
}


@pytest.mark.parametrize("endpoint", ["/token", "/revoke", "/introspect"])
@pytest.mark.parametrize(("body", "content_type"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_form_that_cannot_be_read_is_an_invalid_request(
    client: Client, caplog: pytest.LogCaptureFixture, endpoint: str, body: str, content_type: str
) -> None:
    with caplog.at_level(logging.INFO):
        answer = client.generic("POST", endpoint, body, content_type)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")
    assert answer.json()["error"] == "invalid_request"
    assert answer["Cache-Control"] == "no-store"
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    is_about_charset = "charset" in content_type
    assert ("charset must be UTF-8" in answer.json()["error_description"]) == is_about_charset
