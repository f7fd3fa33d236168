"""Runs the official conformance suite against two real processes behind real OAuth.

The suite cannot sign in, so a simulated browser does, and a proxy adds the token to every request of the
suite and alternates between the processes. Exits with 1 on any unexpected failure, on a stale expected one,
and on a scenario that ran no check.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.conformance import authorization, suite
from tests.conformance.suite import Run, Scenario
from tests.support import node
from tests.support.client import sign_in
from tests.support.deployment import deployment

REVISIONS = ("2025-11-25", "2026-07-28")
SHOP = "docs.examples.shop.shop.build"
"""The server that docs/your-own-server.md begins with."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--requirements",
        nargs="+",
        metavar="REV",
        choices=REVISIONS,
        help=f"run what these revisions require of a server: {', '.join(REVISIONS)}",
    )
    parser.add_argument(
        "--suites",
        action="store_true",
        help="run the suite without arguments, and with --suite all, with and without a revision",
    )
    parser.add_argument(
        "--authorization", action="store_true", help="run the authorization server's scenarios"
    )
    parser.add_argument(
        "--shop",
        action="store_true",
        help="run the first server of docs/your-own-server.md, with the scenarios that need no fixtures",
    )
    parser.add_argument("--all", action="store_true", help="run everything; the default")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--install", action="store_true", help="install the npm packages and exit")
    options = parser.parse_args(arguments)
    if node.missing() is not None:
        node.install()
    if options.install:
        return 0
    chosen = (options.requirements, options.suites, options.authorization, options.shop)
    everything = options.all or not any(chosen)
    revisions = REVISIONS if everything else tuple(options.requirements or ())
    runs = [Run.required(revision) for revision in revisions]
    if everything or options.suites:
        runs += [Run.bare(), *(Run.all(revision) for revision in (*REVISIONS, None))]
    found = run(runs, everything or options.authorization, everything or options.shop)
    print(as_json(found) if options.json else as_text(found))
    return 0 if all(scenario.is_good for scenarios in found.values() for scenario in scenarios) else 1


def run(runs: Sequence[Run], with_authorization: bool, with_shop: bool) -> dict[str, list[Scenario]]:
    """Start the servers and run what is wanted."""
    found: dict[str, list[Scenario]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if runs or with_authorization:
            found |= _run(runs, with_authorization, folder)
        if with_shop:
            found |= _run_shop(folder / "shop")
    return found


def _run_shop(folder: Path) -> dict[str, list[Scenario]]:
    found: dict[str, list[Scenario]] = {}
    with (
        deployment(MCP_SERVER=SHOP) as site,
        site.signed_in_as(asyncio.run(sign_in(site.mcp_url))) as url,
    ):
        for revision, names in suite.WITHOUT_FIXTURES.items():
            scenarios = suite.run(Run.required(revision), url, folder / revision)
            found[f"shop, {revision}"] = suite.without_fixtures(scenarios, names)
    return found


def _run(runs: Sequence[Run], with_authorization: bool, folder: Path) -> dict[str, list[Scenario]]:
    found: dict[str, list[Scenario]] = {}
    with deployment(CONFORMANCE_FIXTURES="1") as site:
        with site.signed_in_as(asyncio.run(sign_in(site.mcp_url))) as url:
            for number, which in enumerate(runs):
                found[which.name] = suite.run(which, url, folder / str(number))
        if with_authorization:
            found["authorization"] = asyncio.run(authorization.run(site.url, folder / "integrated"))
            with deployment(separate=True) as two:
                found["authorization, separate mode"] = asyncio.run(
                    authorization.run(two.auth_url, folder / "separate", resource=two.mcp_url)
                )
    return found


def as_text(found: dict[str, list[Scenario]]) -> str:
    scenarios = [scenario for run in found.values() for scenario in run]
    failed = sum(not scenario.is_good for scenario in scenarios)
    tables = [suite.table(title, run) for title, run in found.items()]
    checks = sum(scenario.passed for scenario in scenarios)
    unscored = sum(not scenario.scored for scenario in scenarios)
    summary = f"{len(scenarios)} scenarios, {unscored} of them not scored; {checks} checks passed"
    # The last line is one that CI reads: scenarios, of which an expected failure counts as passed.
    return "\n\n".join([*tables, summary, f"{len(scenarios) - failed} passed, {failed} failed"])


def as_json(found: dict[str, list[Scenario]]) -> str:
    return json.dumps(
        {
            title: [
                {
                    "scenario": scenario.name,
                    "scored": scenario.scored,
                    "passed": scenario.passed,
                    "failed": scenario.failed,
                    "verdict": scenario.verdict,
                    "reasons": scenario.reasons,
                }
                for scenario in run
            ]
            for title, run in found.items()
        },
        indent=2,
    )


if __name__ == "__main__":
    sys.exit(main())
