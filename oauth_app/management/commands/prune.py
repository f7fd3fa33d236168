"""`python manage.py prune`: delete rows that nobody can use any more. Run it once a day."""

from __future__ import annotations

import json
import logging
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management import BaseCommand, CommandError

from oauth_app import pruning
from oauth_app.signals import audit

log = logging.getLogger("oauth_app")

_PROGRESS_CLIENTS = 100
"""After how many clients a line says how far it is."""

_MAX_DAYS = 36_500
"""A century: the dates of Python do not reach back for ever."""


class Command(BaseCommand):
    help = (
        "Delete what nobody can use any more: expired tokens and codes, expired sign-ins of browsers, and "
        "clients that registered themselves, or are known by a URL, if they have no access and have expired "
        "(OAUTH_CLIENT_SECONDS without use) or were never used. A deleted client can register again. "
        "Run it once a day. Servers may run meanwhile, and running it twice at the same time does no harm."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--never-used-days",
            type=int,
            default=7,
            metavar="N",
            help="minimum age in days of registrations that were never used (default: 7)",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="delete nothing, and list the clients that would be deleted",
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["never_used_days"] < 1:
            raise CommandError("--never-used-days must be at least 1: someone may be about to sign in.")
        if options["never_used_days"] > _MAX_DAYS:
            raise CommandError(f"--never-used-days must be at most {_MAX_DAYS}.")
        age = timedelta(days=options["never_used_days"])
        is_quiet = options["json"] or options["verbosity"] < 1
        if options["dry_run"]:
            self._list(list(pruning.described(pruning.prunable(age))), options["json"])
            return
        say = (lambda text: None) if is_quiet else self._say
        say("Deleting expired tokens and codes ...")
        tokens = pruning.delete_expired_tokens()
        say("Deleting expired sign-ins ...")
        sessions = pruning.delete_expired_sessions()
        say("Deleting unused clients ...")
        clients = []
        for number, client in enumerate(list(pruning.described(pruning.prunable(age))), start=1):
            if pruning.delete_if_prunable(client["client_id"], age):
                clients.append(client)
            if number % _PROGRESS_CLIENTS == 0:
                say(f"  {number} so far")
        counts = {"tokens": tokens, "sessions": sessions, "clients": len(clients)}
        log.info("expired rows deleted", extra=counts)
        audit("expired rows deleted", by="manage.py prune", **counts)
        if options["json"]:
            self.stdout.write(json.dumps({"dry_run": False, "deleted": counts, "clients": clients}, indent=2))
            return
        if options["verbosity"] > 1:
            self._show(clients)
        say(f"Deleted: {tokens} tokens and codes, {sessions} sign-ins, {len(clients)} clients")

    def _list(self, clients: list[dict[str, Any]], as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"dry_run": True, "deleted": {}, "clients": clients}, indent=2))
            return
        self._show(clients)
        self.stdout.write(f"Clients that would be deleted: {len(clients)}")

    def _show(self, clients: list[dict[str, Any]]) -> None:
        for client in clients:
            self.stdout.write(f"{client['client_id']}  {client['name']!r}  {client['reason']}")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
