"""`python manage.py server_json`: the entry of this server in a registry."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from django.core.management import BaseCommand

from mcp_app.card import registry_entry
from mcp_app.conf import conf
from mcp_app.hosts import is_loopback


class Command(BaseCommand):
    help = (
        "Print the server.json of this server, as registries take it (schema of 2025-12-11), made from what "
        "the server says of itself and from MCP_SERVER_…. What a registry would refuse is said on stderr."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        from mcp_app.runtime import Runtime  # which only the processes that serve have to import

        entry = registry_entry(Runtime().server.session_manager.app.server_info_stamp)
        self.stdout.write(json.dumps(entry, indent=2, ensure_ascii=False))
        for says in _obstacles(entry):
            self.stderr.write(self.style.WARNING(says))


def _obstacles(entry: dict[str, Any]) -> list[str]:
    """What the registry of modelcontextprotocol.io refuses, as far as it can be seen here."""
    url = urlsplit(conf.resource_url)
    found = []
    if url.scheme != "https" or is_loopback(url.hostname):
        found.append(f"{conf.resource_url} cannot be reached by everybody over https.")
    namespace = entry["name"].partition("/")[0]
    host = url.hostname or ""
    is_own = ".".join(reversed(namespace.split("."))) in (host, *_parents(host))
    if not is_own and not namespace.startswith("io.github."):
        found.append(
            f"The namespace {namespace} is neither a domain above {host} nor io.github.NAME: prove that it "
            "is yours by a DNS record, or by /.well-known/mcp-registry-auth on its host."
        )
    if any(urlsplit(icon["src"]).scheme != "https" for icon in entry.get("icons", ())):
        found.append("Icons must have https URLs.")
    return found


def _parents(host: str) -> list[str]:
    parts = host.split(".")
    return [".".join(parts[start:]) for start in range(1, len(parts) - 1)]
