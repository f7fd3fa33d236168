"""System checks: the fake identity provider is for demonstrations."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.urls import NoReverseMatch, reverse

from oauth_app.conf import conf


@register(Tags.security, deploy=True)
def check_identity_provider(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if conf.sign_in_path.startswith("fakeupstream."):
        return [
            Warning(
                "Users sign in through the fake identity provider: anyone can sign in as anyone.",
                hint="That is fine for a demonstration. For real accounts, set OAUTH_SIGN_IN.",
                id="fakeupstream.W001",
            )
        ]
    if _is_routed("fakeupstream:authorize"):
        return [
            Warning(
                "The fake identity provider has been replaced but is still installed: it answers 404.",
                hint="Remove fakeupstream from INSTALLED_APPS and from the URLs.",
                id="fakeupstream.W001",
            )
        ]
    return []


def _is_routed(name: str) -> bool:
    try:
        reverse(name)
    except NoReverseMatch:
        return False
    return True
