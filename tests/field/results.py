"""What a checker reports about one check, and whether it was expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Check:
    """One check of a checker.

    Attributes:
        name: The checker's own name for it.
        status: What the checker says.
        detail: Why it failed or was skipped, in the checker's words.
    """

    name: str
    status: Status
    detail: str = ""


@dataclass(frozen=True)
class Row:
    """One line of the table: a checker and how its checks ended.

    Attributes:
        checker: Its name and version.
        passed: How many checks passed.
        skipped: How many the checker left out.
        expected: Checks that failed as expected, each with our reason.
        wrong: What must not be: unexpected failures, stale expectations, a checker that did not run.
    """

    checker: str
    passed: int
    skipped: int
    expected: Mapping[str, str]
    wrong: tuple[str, ...]


def judge(checker: str, checks: Iterable[Check], expected: Mapping[str, str]) -> Row:
    """Compare what a checker found with what is expected of it.

    Args:
        checker: Its name and version, for the table.
        checks: What it reported.
        expected: The checks that are known to fail, each with the reason.
    """
    found = {check.name: check for check in checks}
    failed = {name: check for name, check in found.items() if check.status == "failed"}
    passed = sum(check.status == "passed" for check in found.values())
    wrong = [f"{name}: {check.detail}" for name, check in failed.items() if name not in expected]
    wrong += [f"{name}: is expected to fail and does not" for name in expected if name not in failed]
    if not passed:
        wrong.append("no check passed: the checker did not run as it should")
    skipped = sum(check.status == "skipped" for check in found.values())
    return Row(
        checker, passed, skipped, {name: expected[name] for name in failed if name in expected}, tuple(wrong)
    )


def table(rows: Iterable[Row]) -> str:
    """The rows as text, each with its reasons and faults below it."""
    rows = list(rows)
    width = max([len("checker"), *(len(row.checker) for row in rows)])
    lines = [f"{'checker':<{width}}  passed  failed  expected  skipped"]
    for row in rows:
        counts = f"{row.passed:>6}  {len(row.wrong):>6}  {len(row.expected):>8}  {row.skipped:>7}"
        lines.append(f"{row.checker:<{width}}  {counts}")
        lines += [f"    expected: {name}: {reason}" for name, reason in row.expected.items()]
        lines += [f"    FAILED: {fault}" for fault in row.wrong]
    failed = sum(bool(row.wrong) for row in rows)
    return "\n".join([*lines, "", f"{len(rows) - failed} passed, {failed} failed"])
