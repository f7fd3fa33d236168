"""Which origins the guard lets pass; `test_bad_headers` has what others get."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_app.transports.guard import origin_is_allowed


@pytest.fixture(autouse=True)
def allowed(settings: Any) -> None:
    settings.MCP_ALLOWED_ORIGINS = ("https://app.example",)


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example",
        "http://localhost:6274",
        "http://127.0.0.1",
        "http://[::1]:80",
        "https://a.localhost",
    ],
)
def test_the_configured_origins_and_those_of_this_computer_are_allowed(origin: str) -> None:
    assert origin_is_allowed(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "http://localhost.evil.example",
        "https://app.example.evil.example",
        "https://app.example:8443",
        "http://app.example",
        "file://localhost",
        "http://[::1",
        "http://[::1].evil.example",
        "http://[::1]evil",
        "http://[::1]:80.evil.example",
        "http://127.0.0.1:80@evil.example",
        "http://evil.example@127.0.0.1",
        "http://localhost/path",
        "http://localhost?query",
        "http://localhost#fragment",
        "http://localhost\\.evil.example",
        "http://127.0.0.1 ",
        "localhost",
    ],
)
def test_no_other_origin_is_allowed_however_much_it_looks_like_one_of_them(origin: str) -> None:
    assert not origin_is_allowed(origin)
