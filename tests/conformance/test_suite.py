"""How the runner assesses reports of the suite, without the suite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import suite
from tests.conformance.__main__ import as_text
from tests.conformance.suite import Scenario

OK = {"id": "does-it", "status": "SUCCESS"}
BROKEN = {"id": "does-that", "status": "FAILURE", "errorMessage": "it did not"}
SYNTHETIC = {"id": "wire-schema-valid", "status": "SUCCESS"}
SKIPPED = {"id": "may-do", "status": "SKIPPED"}


@pytest.mark.parametrize(
    ("checks", "expected_failure", "verdict"),
    [
        ([OK, SYNTHETIC], None, "ok"),
        ([OK, BROKEN], None, "FAILED"),
        ([OK, BROKEN], "not built yet", "expected failure"),
        ([OK], "not built yet", "stale expected failure"),
        ([SYNTHETIC], None, "ran no check"),
        ([], None, "ran no check"),
        ([], "not built yet", "ran no check"),
    ],
)
def test_a_scenario_is_judged_by_its_own_checks(checks: Any, expected_failure: Any, verdict: str) -> None:
    scenario = Scenario("tools-list", scored=True, checks=checks, expected_failure=expected_failure)
    assert scenario.verdict == verdict
    assert scenario.is_good is (verdict in ("ok", "expected failure"))


def test_only_a_scenario_that_is_not_scored_may_skip_itself() -> None:
    assert Scenario("optional", scored=False, checks=[SKIPPED]).is_good
    assert not Scenario("required", scored=True, checks=[SKIPPED]).is_good
    assert not Scenario("optional", scored=False, checks=[]).is_good


def test_the_suites_list_names_the_server_scenarios_and_which_are_scored() -> None:
    listed = """Required for 2026-07-28 (3 scenarios):

Server scenarios (test against a server):
  - tools-list
  - caching

Client scenarios (test against a client):
  - tools_call

Run and reported, but never scored:
  extension (2):
    - auth/dpop [client]
    - tasks-lifecycle [server]
"""
    assert suite.parse_list(listed) == {"tools-list": True, "caching": True, "tasks-lifecycle": False}


def test_the_list_of_everything_names_extensions_which_are_not_scored() -> None:
    listed = """Server scenarios (test against a server):
  - tools-list [2025-06-18,2025-11-25]
  - tasks-lifecycle [extension]
"""
    assert suite.parse_list(listed) == {"tools-list": True, "tasks-lifecycle": False}


def test_a_scenario_that_was_required_and_did_not_run_is_no_success(tmp_path: Path) -> None:
    folder = tmp_path / "server-tools-list-2026-11-22T20-55-31-480Z"
    folder.mkdir()
    (folder / "checks.json").write_text(json.dumps([OK]))
    found = suite.collect({"tools-list": True, "caching": True}, suite.results(tmp_path), {})
    assert [(one.name, one.verdict) for one in found] == [("tools-list", "ok"), ("caching", "ran no check")]


def test_results_of_the_authorization_scenarios_have_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "authorization-server-authorization-code-grant-2026-11-22T20-55-31-480Z"
    folder.mkdir()
    (folder / "checks.json").write_text("[]")
    assert suite.results(tmp_path) == {"authorization-code-grant": []}


def test_every_expected_failure_has_a_reason() -> None:
    assert suite.expected_failures("# why\n2026-07-28:\n  caching: not built yet\n") == {
        "2026-07-28": {"caching": "not built yet"}
    }
    for text in ("2026-07-28:\n  caching:\n", "  caching: not built yet\n", "- caching\n"):
        with pytest.raises(ValueError, match="line"):
            suite.expected_failures(text)
    suite.expected_failures(suite.EXPECTED_FAILURES.read_text())


def test_the_last_line_counts_what_passed_and_what_failed() -> None:
    found = {"2026-07-28": [Scenario("one", True, [OK]), Scenario("two", True, [OK, BROKEN])]}
    text = as_text(found)
    assert text.splitlines()[-1] == "1 passed, 1 failed"
    assert "does-that: it did not" in text


def test_of_another_server_only_what_needs_no_tool_of_the_suite_is_judged() -> None:
    untestable = BROKEN | {
        "errorMessage": "Not testable: server does not list the diagnostic tool 'test_x' in tools/list"
    }
    scenarios = [
        Scenario("a", scored=True, checks=[OK, untestable]),
        Scenario("b", scored=True, checks=[OK, BROKEN]),
        Scenario("c", scored=True, checks=[BROKEN]),
    ]
    judged = suite.without_fixtures(scenarios, ["a", "b"])
    assert [(one.name, one.verdict) for one in judged] == [("a", "ok"), ("b", "FAILED")]
