"""The project as an app: its commands and checks, and the wiring between the other apps."""

from collections.abc import Iterable
from typing import Any

from django.apps import AppConfig


class EverythingSiteConfig(AppConfig):
    name = "everything_site"
    verbose_name = "Everything Server"

    def ready(self) -> None:
        from django.conf import settings

        from everything_site import checks, daphne_http  # noqa: F401 - the checks register themselves
        from oauth_app.signals import access_withdrawn

        access_withdrawn.connect(announce_withdrawal, dispatch_uid="announce_withdrawal")
        if not settings.IS_SEPARATE:
            from everything_site import people

            people.connect()
        daphne_http.install()


def announce_withdrawal(
    checksums: list[str], grants: list[str], ended: Iterable[tuple[str, int]] = (), **kwargs: Any
) -> None:
    """Tell every process that access has been revoked, and end the sessions that nobody can use any more."""
    from mcp_app import control
    from mcp_app.extensions.tasks.withdrawal import cancel_tasks

    # Tasks first: nothing else ends one that is missed, but a token that is missed is verified again soon.
    cancel_tasks(grants)
    control.withdraw_tokens(checksums, grants)  # before the sessions end: it tells the clients of calls why
    if ended := list(ended):
        from oauth_app.conf import conf as oauth

        control.end_sessions_of((client_id, oauth.issuer, str(user)) for client_id, user in ended)
