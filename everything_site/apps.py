"""The project as an app: its commands and checks, and the wiring between the other apps."""

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


def announce_withdrawal(checksums: list[str], grants: list[str], **kwargs: Any) -> None:
    """Tell every process that access has been revoked."""
    from mcp_app import control
    from mcp_app.extensions.tasks.withdrawal import cancel_tasks

    # Tasks first: nothing else ends one that is missed, but a token that is missed is verified again soon.
    cancel_tasks(grants)
    control.withdraw_tokens(checksums, grants)
