"""The system check about the fake identity provider in production."""

from __future__ import annotations

from typing import Any

from django.core.checks import run_checks

from fakeupstream import checks


def ids() -> list[str | None]:
    return [message.id for message in checks.check_identity_provider(None)]


def test_the_fake_provider_is_pointed_out_in_production_only() -> None:
    found = {message.id for message in run_checks(include_deployment_checks=True)}
    assert "fakeupstream.W001" in found
    assert "fakeupstream.W001" not in {message.id for message in run_checks()}


def test_the_fake_provider_is_pointed_out_until_it_is_gone(settings: Any) -> None:
    settings.OAUTH_SIGN_IN = "example.sign_in"
    [warning] = checks.check_identity_provider(None)
    assert (warning.id, "still installed" in warning.msg) == ("fakeupstream.W001", True)
    settings.ROOT_URLCONF = "mcp_app.urls"
    assert ids() == []
