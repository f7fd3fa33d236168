"""`python -m tests.field`: runs other people's checkers against two real processes.

Each is pinned and installed into its own environment. The command prints a table and exits with 1 on an
unexpected failure, on an expected one that passes, and on a checker that did not run.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.suite import expected_failures
from tests.field import environments
from tests.field.checkers import CHECKERS, Checker, Site
from tests.field.results import Check, Row, judge, table
from tests.support import node
from tests.support.client import sign_in
from tests.support.deployment import deployment

EXPECTED_FAILURES = Path(__file__).with_name("expected-failures.yml")


def main(arguments: list[str] | None = None) -> int:
    names = [checker.name for checker in CHECKERS]
    parser = argparse.ArgumentParser(
        prog="python -m tests.field",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=names, help=f"run only these: {', '.join(names)}"
    )
    parser.add_argument("--list", action="store_true", help="list the checkers and exit")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--clean", action="store_true", help="reinstall everything")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(f"{checker.name}: {checker.package}, {checker.about}" for checker in CHECKERS))
        return 0
    if options.clean:
        shutil.rmtree(environments.FOLDER, ignore_errors=True)
        shutil.rmtree(environments.NPM, ignore_errors=True)
    if node.missing() is not None:
        node.install()
    rows = run([checker for checker in CHECKERS if checker.name in (options.only or names)])
    print(json.dumps([dataclasses.asdict(row) for row in rows], indent=2) if options.json else table(rows))
    return 1 if any(row.wrong for row in rows) else 0


def run(checkers: Sequence[Checker]) -> list[Row]:
    """Start the servers and run the checkers, one after the other."""
    known = expected_failures(EXPECTED_FAILURES.read_text())
    with deployment(CONFORMANCE_FIXTURES="1") as site:
        token = asyncio.run(sign_in(site.mcp_url))
        with site.signed_in_as(token) as signed_in_url:
            target = Site(site.mcp_url, signed_in_url, token)
            return [judge(one.package, _run(one, target), known.get(one.name, {})) for one in checkers]


def _run(checker: Checker, site: Site) -> list[Check]:
    began = time.monotonic()
    try:
        checks = asyncio.run(checker.run(site))
    except Exception as error:
        checks = [Check("run", "failed", f"{type(error).__name__}: {error}")]
    print(
        f"{checker.package}: {len(checks)} checks in {time.monotonic() - began:.0f} s",
        file=sys.stderr,
        flush=True,
    )
    return checks


if __name__ == "__main__":
    sys.exit(main())
