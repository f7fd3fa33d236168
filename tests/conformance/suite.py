"""One run of the official suite against a server, and the assessment of its result."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support import node

SCRIPT = node.CONFORMANCE / "dist" / "index.js"
EXPECTED_FAILURES = Path(__file__).with_name("expected-failures.yml")
RUN_SECONDS = 600
WITHOUT_FIXTURES = {
    "2025-11-25": (
        "server-initialize",
        "logging-set-level",
        "ping",
        "tools-list",
        "server-sse-multiple-streams",
        "resources-list",
        "prompts-list",
        "dns-rebinding-protection",
        "server-session-lifecycle",
    ),
    "2026-07-28": (
        "server-stateless",
        "tools-list",
        "server-sse-multiple-streams",
        "resources-list",
        "sep-2164-resource-not-found",
        "prompts-list",
        "dns-rebinding-protection",
        "caching",
        "input-required-result-unsupported-methods",
        "http-header-validation",
    ),
}
"""The required scenarios that any server can pass: the others need tools or resources of the suite."""

_SYNTHETIC = "wire-schema-"  # the suite's own checks of every message, in each scenario
_RESULT = re.compile(r"(?:authorization-)?server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


@dataclass
class Scenario:
    """One scenario and its checks."""

    name: str
    scored: bool
    checks: list[dict[str, Any]] = field(default_factory=list)
    expected_failure: str | None = None

    @property
    def passed(self) -> int:
        return sum(check["status"] == "SUCCESS" for check in self.checks)

    @property
    def failed(self) -> int:
        return sum(check["status"] == "FAILURE" for check in self.checks)

    @property
    def verdict(self) -> str:
        """`ok`, `expected failure`, `skipped itself`, or what is wrong."""
        real = [check for check in self.checks if not check["id"].startswith(_SYNTHETIC)]
        if not real:
            return "ran no check"
        if all(check["status"] == "SKIPPED" for check in real):
            return "ran no check" if self.scored else "skipped itself"
        if self.failed:
            return "expected failure" if self.expected_failure else "FAILED"
        return "stale expected failure" if self.expected_failure else "ok"

    @property
    def is_good(self) -> bool:
        return self.verdict in ("ok", "expected failure", "skipped itself")

    @property
    def reasons(self) -> list[str]:
        return [
            f"{check['id']}: {check.get('errorMessage') or check.get('description')}"
            for check in self.checks
            if check["status"] == "FAILURE"
        ]


@dataclass(frozen=True)
class Run:
    """One way to call the suite: its name in the report, its arguments, and those that list its scenarios."""

    name: str
    arguments: tuple[str, ...]
    listed_by: tuple[str, ...] | None

    @classmethod
    def required(cls, revision: str) -> Run:
        """What a revision requires of a server, as frozen at its release."""
        return cls(revision, ("--requirements", revision), ("--requirements", revision))

    @classmethod
    def all(cls, revision: str | None = None) -> Run:
        """Every scenario of the suite, extensions included, or every one of a revision."""
        version = () if revision is None else ("--spec-version", revision)
        arguments = ("--suite", "all", *version)
        return cls(f"conformance server {' '.join(arguments)}", arguments, ("--server", *version))

    @classmethod
    def bare(cls) -> Run:
        """What the suite runs without arguments; it does not list that beforehand."""
        return cls("conformance server", (), None)


def scenarios(run: Run) -> dict[str, bool]:
    """The server scenarios of a run, and whether each is scored, as the suite lists them."""
    if run.listed_by is None:
        return {}
    listed = subprocess.run(
        node.command(SCRIPT, "list", *run.listed_by),
        env=node.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return parse_list(listed.stdout)


def parse_list(text: str) -> dict[str, bool]:
    """The server scenarios of a printed list. Those of extensions are not scored."""
    found: dict[str, bool] = {}
    is_server = False
    for line in text.splitlines():
        if line and not line.startswith(" "):
            is_server = line.startswith("Server scenarios")
        elif match := re.fullmatch(r"  - (\S+)(?: \[(.+)\])?", line):
            if is_server:
                found[match[1]] = match[2] != "extension"
        elif match := re.fullmatch(r"    - (\S+) \[server\]", line):
            found[match[1]] = False
    return found


def expected_failures(text: str) -> dict[str, dict[str, str]]:
    """The reasons of expected failures by run and scenario."""
    found: dict[str, dict[str, str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        if match := re.fullmatch(r"(\S.*):", line):
            revision = found.setdefault(match[1], {})
        elif found and (match := re.fullmatch(r"  (\S+): +(\S.*)", line)):
            revision[match[1]] = match[2]
        else:
            raise ValueError(f"line {number} is neither a run nor a scenario with its reason: {line!r}")
    return found


def run(which: Run, url: str, output: Path) -> list[Scenario]:
    """Run the suite against a server in one way."""
    wanted = scenarios(which)
    subprocess.run(
        node.command(SCRIPT, "server", "--url", url, *which.arguments, "--output-dir", str(output)),
        env=node.environment(),
        capture_output=True,
        timeout=RUN_SECONDS,
        stdin=subprocess.DEVNULL,
        check=False,  # the checks say more than the exit code
    )
    known = expected_failures(EXPECTED_FAILURES.read_text()).get(which.name, {})
    found = collect(wanted, results(output), known)
    if not found:
        raise RuntimeError(f"{which.name}: the suite ran nothing")
    return found


def results(output: Path) -> dict[str, list[dict[str, Any]]]:
    """The checks of every scenario whose result lies in a folder."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(output.rglob("checks.json")):
        match = _RESULT.fullmatch(path.parent.name)
        assert match, path.parent.name
        found[match["scenario"]] = json.loads(path.read_text())
    return found


def collect(
    wanted: Mapping[str, bool], checks: Mapping[str, list[dict[str, Any]]], known: Mapping[str, str]
) -> list[Scenario]:
    """Every scenario that was to run or did run, with its checks; unknown names are scored."""
    names: Iterable[str] = dict.fromkeys([*wanted, *checks, *known])
    return [Scenario(name, wanted.get(name, True), checks.get(name, []), known.get(name)) for name in names]


def without_fixtures(scenarios: Iterable[Scenario], names: Iterable[str]) -> list[Scenario]:
    """Those with these names, without the checks for which they need a tool of the suite."""
    by_name = {scenario.name: scenario for scenario in scenarios}
    return [
        replace(by_name[name], checks=[check for check in by_name[name].checks if not _needs_tool(check)])
        for name in names
    ]


def _needs_tool(check: Mapping[str, Any]) -> bool:
    message = check.get("errorMessage") or ""
    return message.startswith("Not testable: server does not list the diagnostic tool")


def table(title: str, scenarios: list[Scenario]) -> str:
    width = max(len(scenario.name) for scenario in scenarios)
    lines = [f"{title}", f"  {'scenario':<{width}}  scored  passed  failed  verdict"]
    for one in scenarios:
        scored = "yes" if one.scored else "no"
        lines.append(f"  {one.name:<{width}}  {scored:<6}  {one.passed:>6}  {one.failed:>6}  {one.verdict}")
        if not one.is_good:
            lines += [f"      {reason}" for reason in one.reasons]
    return "\n".join(lines)
