"""HTTPS responses tell browsers to keep using HTTPS, from Django as well as from other applications."""

from __future__ import annotations

from typing import Any

import pytest

from everything_site.middleware.hsts import StrictTransportSecurity
from tests.support.asgi import Http, Response

YEAR = "max-age=31536000"


@pytest.fixture
def hsts(settings: Any) -> Any:
    settings.SECURE_HSTS_SECONDS = 31536000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = False
    settings.SECURE_HSTS_PRELOAD = False
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    return settings


async def ask(*own: tuple[bytes, bytes], scheme: str = "http", **headers: str) -> Response:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(own)})
        await send({"type": "http.response.body", "body": b""})

    guarded = StrictTransportSecurity(application)

    async def with_scheme(scope: Any, receive: Any, send: Any) -> None:
        await guarded({**scope, "scheme": scheme}, receive, send)

    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await Http(with_scheme).request("GET", "/mcp", headers=named)


@pytest.mark.parametrize(
    ("scheme", "forwarded"), [("http", "https"), ("https", None), ("http", "https, http"), ("http", " https")]
)
async def test_an_https_response_has_the_header(hsts: Any, scheme: str, forwarded: str | None) -> None:
    headers = {} if forwarded is None else {"x_forwarded_proto": forwarded}
    assert (await ask(scheme=scheme, **headers)).headers["strict-transport-security"] == YEAR


@pytest.mark.parametrize(("scheme", "forwarded"), [("http", None), ("http", "http"), ("https", "http")])
async def test_a_plain_http_response_has_no_such_header(
    hsts: Any, scheme: str, forwarded: str | None
) -> None:
    headers = {} if forwarded is None else {"x_forwarded_proto": forwarded}
    assert "strict-transport-security" not in (await ask(scheme=scheme, **headers)).headers


async def test_errors_logged_by_django_are_not_logged_twice(hsts: Any) -> None:
    response = await ask((b"Strict-Transport-Security", b"max-age=1"), x_forwarded_proto="https")
    assert response.headers["strict-transport-security"] == "max-age=1"


async def test_subdomains_and_preload_are_opt_in(hsts: Any) -> None:
    hsts.SECURE_HSTS_INCLUDE_SUBDOMAINS = hsts.SECURE_HSTS_PRELOAD = True
    response = await ask(x_forwarded_proto="https")
    assert response.headers["strict-transport-security"] == f"{YEAR}; includeSubDomains; preload"


async def test_zero_seconds_omit_the_header(hsts: Any) -> None:
    hsts.SECURE_HSTS_SECONDS = 0
    assert "strict-transport-security" not in (await ask(x_forwarded_proto="https")).headers
