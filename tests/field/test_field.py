"""How the runner assesses reports of other people's checkers, without the checkers."""

from __future__ import annotations

import pytest

from tests.conformance.suite import expected_failures
from tests.field.__main__ import EXPECTED_FAILURES, main
from tests.field.checkers import CHECKERS
from tests.field.results import Check, judge, table

PASSED = Check("lists", "passed")
FAILED = Check("errors", "failed", "no code")
SKIPPED = Check("tls", "skipped")


@pytest.mark.parametrize(
    ("checks", "expected", "wrong"),
    [
        ([PASSED, SKIPPED], {}, []),
        ([PASSED, FAILED], {}, ["errors: no code"]),
        ([PASSED, FAILED], {"errors": "it asks for too much"}, []),
        ([PASSED], {"errors": "it asks for too much"}, ["errors: is expected to fail and does not"]),
        ([SKIPPED], {}, ["no check passed: the checker did not run as it should"]),
        ([], {}, ["no check passed: the checker did not run as it should"]),
    ],
)
def test_only_a_failure_with_a_reason_is_accepted(checks, expected, wrong):
    assert list(judge("checker 1.0", checks, expected).wrong) == wrong


def test_the_table_counts_the_checkers_and_gives_every_reason():
    rows = [judge("one 1.0", [PASSED], {}), judge("two 2.0", [PASSED, FAILED], {})]
    text = table(rows)
    assert "errors: no code" in text
    assert text.splitlines()[-1] == "1 passed, 1 failed"


def test_every_expected_failure_belongs_to_a_checker_and_has_a_reason():
    assert set(expected_failures(EXPECTED_FAILURES.read_text())) <= {checker.name for checker in CHECKERS}


def test_the_list_names_every_checker_at_its_version(capsys):
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{checker.name}: {checker.package}" in listed for checker in CHECKERS)


def test_an_unknown_checker_is_refused_by_name(capsys):
    with pytest.raises(SystemExit):
        main(["--only", "nobody"])
    assert "nobody" in capsys.readouterr().err
