"""`python manage.py prune_clients`: delete unused client registrations. Run it once a day."""

from __future__ import annotations

import json
import logging
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management import BaseCommand, CommandError

from oauth_app import pruning

log = logging.getLogger("oauth_app")


class Command(BaseCommand):
    help = (
        "Delete clients that registered themselves, or are known by a URL, if they have no access and have "
        "expired (OAUTH_CLIENT_SECONDS without use) or were never used. A deleted client can register "
        "again. To delete old tokens, use `cleartokens`."
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
            "--dry-run", action="store_true", help="only list the clients that would be deleted"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["never_used_days"] < 1:
            raise CommandError("--never-used-days must be at least 1: someone may be about to sign in.")
        dry_run: bool = options["dry_run"]
        age = timedelta(days=options["never_used_days"])
        found = list(pruning.described(pruning.prunable(age)))
        if not dry_run:
            found = [client for client in found if pruning.delete_if_prunable(client["client_id"], age)]
            log.info("clients pruned", extra={"count": len(found)})
        if options["json"]:
            answer = {"dry_run": dry_run, "pruned": len(found), "clients": found}
            self.stdout.write(json.dumps(answer, indent=2))
            return
        if options["verbosity"] > 1 or dry_run:
            for client in found:
                self.stdout.write(f"{client['client_id']}  {client['name']!r}  {client['reason']}")
        self.stdout.write(f"{'Would be deleted' if dry_run else 'Deleted'}: {len(found)}")
