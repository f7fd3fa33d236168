"""The log lines of a sign-in: enough for an operator, and nothing that grants access."""

import logging

import pytest

from everything_site import logs
from tests.fakeupstream.pages import sign_in_here
from tests.oauth_app import flow

pytestmark = pytest.mark.django_db


def test_no_code_token_or_secret_is_logged(client, caplog):
    caplog.set_level("DEBUG")
    registered = flow.register(client, token_endpoint_auth_method="client_secret_post").json()
    client_id, secret = registered["client_id"], registered["client_secret"]
    code = flow.allow(client, sign_in_here(client, flow.authorize_url(client_id), "alice"))["code"]
    tokens = flow.exchange(client, client_id, code, client_secret=secret).json()
    renewed = flow.refresh(client, client_id, tokens["refresh_token"], client_secret=secret).json()
    flow.exchange(client, client_id, code, client_secret=secret)
    flow.exchange(client, client_id, "wrong-code", client_secret="wrong-secret")
    client.post(
        "/revoke", {"token": renewed["refresh_token"], "client_id": client_id, "client_secret": secret}
    )

    assert flow.refresh(client, client_id, "wrong-token", client_secret=secret).status_code == 400
    client.get("/nowhere?access_token=in-the-url")  # a 404, which Django logs with its path

    # What any logger said, as it is written in production and in development.
    formatters: list[logging.Formatter] = [logs.JsonFormatter(), logs.ReadableFormatter()]
    logged = "\n".join(one.format(record) for one in formatters for record in caplog.records)
    assert "tokens issued" in logged
    assert "signed in" in logged
    assert "consent granted" in logged
    for value in (
        code,
        secret,
        flow.VERIFIER,
        "wrong-secret",
        "wrong-token",
        "in-the-url",
        tokens["access_token"],
        tokens["refresh_token"],
        renewed["access_token"],
        registered["registration_access_token"],
    ):
        assert value not in logged
