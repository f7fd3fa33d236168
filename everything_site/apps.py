"""The project as an app: its commands and checks, and the wiring between the other apps."""

from django.apps import AppConfig


class EverythingSiteConfig(AppConfig):
    name = "everything_site"
    verbose_name = "Everything Server"

    def ready(self) -> None:
        from django.conf import settings

        from everything_site import checks  # noqa: F401 - the checks register themselves
        from everything_site.audit import events as audit_events

        audit_events.connect()

        if settings.IS_SEPARATE:
            from mcp_app import withdrawal
            from oauth_app.signals import access_withdrawn

            # The authorization server: its own settings name the verifier of the MCP server.
            access_withdrawn.connect(withdrawal.end_access, dispatch_uid="mcp_app.withdrawal")
        else:
            from everything_site.accounts import deletion

            deletion.connect()
