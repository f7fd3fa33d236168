"""`python manage.py settings`: every setting with its variable, its value and its purpose."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.core.management.base import CommandParser
from django.views.debug import get_exception_reporter_filter

from everything_site.conf import FROM_ENVIRONMENT, AnySetting, Environment
from everything_site.variables import about, as_text


class Command(BaseCommand):
    help = (
        "List everything that can be set by environment variables or in the file .env: each variable's "
        "current value, purpose and default. Secrets are not shown."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "names", nargs="*", metavar="NAME", help="only variables whose names contain this"
        )
        parser.add_argument(
            "--changed", action="store_true", help="only variables that differ from their defaults"
        )
        parser.add_argument("--json", action="store_true", help="print a JSON array")

    def handle(self, *args: Any, **options: Any) -> None:
        names = options["names"] or [""]
        found = [setting for setting in FROM_ENVIRONMENT if any(_has(setting, name) for name in names)]
        if not found:
            raise CommandError(f"No setting has {' or '.join(names)} in its name.")
        listed = [
            entry
            for setting in found
            if (entry := described(setting)) and (entry["changed"] or not options["changed"])
        ]
        if options["json"]:
            self.stdout.write(json.dumps(listed, indent=2))
            return
        if not listed:
            self.stdout.write("Every setting has its default.")
        width = min(shutil.get_terminal_size().columns, 110)
        for entry in listed:
            about = f"{entry['help']}. Default: {entry['default']}."
            about = re.sub(r"\[(.+?)\]\(.+?\)", r"docs/\1", about).replace("`", "")
            self.stdout.write(f"{entry['variable']}={entry['value']}", self.style.MIGRATE_HEADING)
            self.stdout.write(textwrap.fill(about, width, initial_indent="    ", subsequent_indent="    "))


def _has(setting: AnySetting[Any], name: str) -> bool:
    return name.upper() in setting.variable or name.upper() in setting.name


def described(setting: AnySetting[Any]) -> dict[str, Any]:
    """All information about a setting, as text."""
    is_ours = setting in Environment.declared()
    owner, name = (settings.ENV, setting.attribute) if is_ours else (settings, setting.name)
    value = getattr(owner, name, setting.default)
    text = as_text(value)
    if setting.secret:
        text = get_exception_reporter_filter(None).cleanse_setting(setting.variable, text) if text else ""
    default = as_text(setting.default)
    return {
        "variable": setting.variable,
        "setting": "" if is_ours else setting.name,
        "value": text,
        "default": setting.follows or default or "none",
        "changed": setting.variable in settings.ENV.given
        or not (is_ours or value == settings.ENV.of(setting)),
        "help": about(setting),
    }
