"""What `everything-server run` adds to `runserver`."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError

from everything_site import exit_codes
from everything_site.console import options, serve


def test_without_any_standard_input_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(sys, "stdin", None)  # as with `<&-`
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(number))
    monkeypatch.setattr(serve, "_STOP_SECONDS", 0)
    serve._end_with_input()
    assert sent[0] == signal.SIGTERM


@pytest.mark.django_db
def test_there_is_no_token_for_an_account_that_not_everybody_may_enter() -> None:
    get_user_model().objects.create_superuser("admin")
    command = serve.Command(options.parsed(["--ephemeral", "--token", "admin"]))
    with pytest.raises(CommandError, match="--token admin") as refused:
        command.prepare()
    assert refused.value.returncode == exit_codes.USAGE


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["", "two words", "x" * 51])
def test_there_is_no_token_for_a_name_with_which_nobody_could_sign_in(name: str) -> None:
    command = serve.Command(options.parsed(["--ephemeral", "--token", name]))
    with pytest.raises(CommandError, match="--token") as refused:
        command.prepare()
    assert refused.value.returncode == exit_codes.USAGE
    assert not get_user_model().objects.exists()
