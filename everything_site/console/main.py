"""`everything-server`: serves, or runs a management command, in a folder of the user."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from everything_site import command_line, exit_codes
from everything_site.console import options, state

PROGRAM = "everything-server"
_OURS = ("everything_site", "mcp_app", "oauth_app", "fakeupstream")
_OF_DJANGO = ("changepassword", "createsuperuser")
_CLIENTS = ("doctor",)
"""Commands about any server, which need neither the state nor the settings of this one."""
_IN_A_CHECKOUT = ("runserver", "runauthserver", "register_resource_server", "valkey")
"""Commands that `run` replaces, or that need a checkout."""


def main() -> None:
    """Run the command line; ends with one of `exit_codes`."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "everything_site.settings"  # the shell may name another project
    with command_line.explained():
        try:
            _execute(sys.argv[1:])
        except state.Unusable as unusable:
            print(unusable, file=sys.stderr)  # noqa: T201 - this is a command
            sys.exit(exit_codes.NO_STATE)


def _execute(words: list[str]) -> None:
    if words[:1] == ["run"]:
        _run(words[1:])
        return
    if words == ["--version"]:
        _print_version()
        return
    if words in ([], ["--help"], ["-h"], ["help"]):
        _print_help()
        return
    if words[0] in _CLIENTS or command_line.asks_for_help(*words):
        _forget_state()
    else:
        folder = state.default_folder()
        (state.check if words[0] in command_line.READERS else state.prepare)(folder)
        os.environ[state.VARIABLE] = str(folder)
    command_line.execute([PROGRAM, *words])


def _forget_state() -> None:
    """Ignore the state, and settings that may be those of another project."""
    options.forget_other_settings()
    os.environ[state.VARIABLE] = os.devnull


def _run(words: list[str]) -> None:
    given = options.parsed(words)
    if given.ephemeral:
        with state.ephemeral() as folder:
            _serve(given, folder)
        return
    folder = state.default_folder()
    state.prepare(folder)
    _serve(given, folder)


def _serve(given: options.Options, folder: Path) -> None:
    options.apply(given, folder)
    import django

    django.setup()
    from everything_site.console.serve import Command

    address = f"[{given.host}]" if ":" in given.host else given.host
    Command(given).run_from_argv([PROGRAM, "run", f"{address}:{os.environ['PORT']}", "--noreload"])


def _print_version() -> None:
    from mcp_app import __version__

    print(f"{PROGRAM} {__version__}")  # noqa: T201


def _print_help() -> None:
    try:
        folder = str(state.default_folder())
    except state.Unusable:
        folder = "the folder that you choose"
    _forget_state()
    print(f"usage: {PROGRAM} COMMAND [--help]\n")  # noqa: T201
    with command_line.running("help"):
        for name, purpose in _commands():
            print(f"  {name:<18}{purpose}")  # noqa: T201
    print(f"\nState is kept in {folder} ({state.VARIABLE}).")  # noqa: T201


def _commands() -> Iterator[tuple[str, str]]:
    """The commands of this project, and what each is for."""
    yield "run", "Serve at http://localhost:3232, with an embedded Valkey and SQLite"
    import django
    from django.core.management import get_commands, load_command_class

    django.setup()
    for name, app in sorted(get_commands().items()):
        if name in _OF_DJANGO or (app in _OURS and name not in _IN_A_CHECKOUT):
            help_text = load_command_class(app, name).help
            yield name, help_text.partition(". ")[0].partition(": ")[0].removesuffix(".")
