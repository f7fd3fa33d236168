"""The program `everything-server`, before it does anything."""

from __future__ import annotations

import os
import sys

import pytest

from everything_site.console.main import main


def test_it_is_this_site_also_where_another_project_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")
    monkeypatch.setattr(sys, "argv", ["everything-server", "--version"])
    main()
    assert os.environ["DJANGO_SETTINGS_MODULE"] == "everything_site.settings"
