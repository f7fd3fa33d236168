"""`python -m tests.tour record`: records the pages of the tour again, into templates/tour."""

from __future__ import annotations

import sys

from tests.tour.recording import record, write


def main() -> int:
    if sys.argv[1:] != ["record"]:
        print(__doc__, file=sys.stderr)
        return 2
    pages = record()
    write(pages)
    print(f"{len(pages)} pages, {sum(len(page['exchanges']) for page in pages.values())} exchanges")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
