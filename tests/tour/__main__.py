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
    count = sum(len(page["recording"]["exchanges"]) for page in pages.values())
    print(f"{len(pages)} pages, {count} exchanges")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
