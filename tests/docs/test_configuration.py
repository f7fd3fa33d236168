"""docs/configuration.md: its tables match the declared settings, and every check is documented."""

from __future__ import annotations

import re
from itertools import chain

from everything_site.conf import OF_THE_APPS, Environment
from tests.docs.configuration import PAGE, TABLES, with_tables
from tests.docs.markdown import DOCS, code, rows


def test_the_tables_are_current() -> None:
    text = PAGE.read_text()
    assert text == with_tables(text), "run `python -m tests.docs.configuration`"
    assert re.findall(r"<!-- table: (.+) -->", text) == list(TABLES)


def test_every_setting_is_in_one_table() -> None:
    listed = [setting.name for setting in chain.from_iterable(TABLES.values())]
    assert sorted(listed) == sorted(setting.name for setting in [*Environment.declared(), *OF_THE_APPS])


def test_what_a_token_must_be_is_in_its_row() -> None:
    [token] = [setting for setting in OF_THE_APPS if setting.variable == "METRICS_TOKEN"]
    [row] = [row for row in rows("configuration.md", "Variable") if "`METRICS_TOKEN`" in row["Variable"]]
    assert token.must_be[0] in row["Meaning"]


def test_every_check_is_documented_and_no_other() -> None:
    ids = set()
    for path in DOCS.parent.glob("*/*checks.py"):
        ids |= set(re.findall(r'"(\w+\.[EW]\d{3})"', path.read_text()))
    assert {code(row["Id"])[0] for row in rows("configuration.md", "Id")} == ids
