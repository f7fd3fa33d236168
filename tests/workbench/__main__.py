"""`python -m tests.workbench`: tries every row of docs/features.md in Chromium, at each revision that has it.

The server is `runserver --processes 3`, on SQLite and the embedded Valkey unless told otherwise; a database
and a Redis server that are named should be empty. Exits with 1 if a row does not show, the console complains,
or the page asks another server for anything.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from everything_site.pages.tour import REVISIONS
from tests.everything_site.checkout import Checkout, checkout, eventually
from tests.support import chromium
from tests.workbench.page import Page
from tests.workbench.visits import Row, Visits, tried


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.workbench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--database", metavar="URL", help="DATABASE_URL of the server")
    parser.add_argument("--redis", metavar="URL", help="REDIS_URL of the server")
    parser.add_argument("--only", metavar="WORD", default="", help="only rows whose name contains this")
    parser.add_argument("--revisions", nargs="+", choices=REVISIONS, default=REVISIONS, metavar="REV")
    options = parser.parse_args(arguments)
    stores = {"DATABASE_URL": options.database, "REDIS_URL": options.redis}
    rows = [row for row in tried() if options.only in row.name]
    with (
        _serving({name: url for name, url in stores.items() if url}) as served,
        chromium.chromium() as browser,
    ):
        page = Page(browser, f"http://localhost:{served.port}")
        page.open()
        page.sign_in()
        run = Run(page)
        for revision in options.revisions:
            for row in rows:
                if revision in row.revisions:
                    run.try_one(row, revision)
    print(run.summary)
    return 1 if run.faults else 0


@contextmanager
def _serving(environment: dict[str, str]) -> Iterator[Checkout]:
    with (
        tempfile.TemporaryDirectory(prefix="everything-workbench-") as folder,
        checkout(Path(folder)) as made,
    ):
        made.start("--processes", "3", "--noreload", CONFORMANCE_FIXTURES="true", **environment)
        eventually(lambda: "MCP endpoint" in made.output or made.has_ended, "three processes serve", 120)
        yield made


class Run:
    """Visits, and what was wrong with them."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._visits = Visits(page)
        self._began = time.monotonic()
        self._rows: set[str] = set()
        self._tried = 0
        self.faults: list[str] = []

    def try_one(self, row: Row, revision: str) -> None:
        began = time.monotonic()
        self._tried += 1
        self._rows.add(row.name)
        fault = self._fault(row, revision)
        if fault:
            self.faults.append(f"{row.name} at {revision}: {fault}")
        said = f"FAILED {fault}" if fault else "ok"
        print(f"{revision} {time.monotonic() - began:5.1f} s {row.name}: {said}", flush=True)

    def _fault(self, row: Row, revision: str) -> str | None:
        try:
            seen = self._visits.of(row.what.at(revision))
        except AssertionError as error:
            self._page.open()  # the next one begins anew
            return str(error)
        own = f"{self._page.base}/"
        requested = set(self._page.browser.requested)
        elsewhere = {url for url in requested if url.startswith("http") and not url.startswith(own)}
        return "; ".join([*seen.console, *(f"requested {url}" for url in sorted(elsewhere))]) or None

    @property
    def summary(self) -> str:
        visits, seconds = len(self._visits.seen), time.monotonic() - self._began
        return (
            f"{len(self._rows)} rows, {self._tried} with their revisions, shown by {visits} visits"
            f" in {seconds:.0f} s; {len(self.faults)} failed"
        )


if __name__ == "__main__":
    sys.exit(main())
