"""`python -m tests.abuse`: hostile input and floods, and what others feel of them."""

from __future__ import annotations

import argparse

from tests.abuse import parsing, slow
from tests.abuse.floods import run as floods
from tests.bench import servers


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(prog="python -m tests.abuse", description=__doc__)
    parts = main.add_subparsers(dest="part", required=True)
    installed = [server for server in servers.SERVERS if servers.available(server)]
    part = parts.add_parser("parsing", help=parsing.__doc__, description=parsing.__doc__)
    part.add_argument("--servers", nargs="+", choices=servers.SERVERS, default=installed)
    part.add_argument("--repeat", type=int, default=1, help="how often each input is sent (default 1)")
    part.add_argument("--only", default="", metavar="REGEX", help="only inputs with such names")
    part.add_argument("--groups", nargs="+", choices=parsing.GROUPS, default=list(parsing.GROUPS))
    part.add_argument("--every", type=int, default=1, metavar="N", help="only one of N inputs of each group")
    part.add_argument("--worst", type=int, default=3, help="rows per group and server (default 3)")
    part.add_argument("--verbose", action="store_true", help="show every input when it is done")
    part.add_argument("--json", action="store_true", help="print all rows as JSON")
    part.set_defaults(run=parsing.main)
    part = parts.add_parser("floods", help="floods, and what others feel", description=floods.__doc__)
    part.add_argument("--server", choices=servers.SERVERS, default="daphne", help="default daphne")
    part.add_argument("--seconds", type=float, default=1.2, help="how long each flood lasts (default 1.2)")
    part.add_argument("--only", default="", metavar="REGEX", help="only floods with such names")
    part.add_argument("--json", action="store_true", help="print all rows as JSON")
    part.set_defaults(run=floods.main)
    part = parts.add_parser("slow", help="slow and silent clients", description=slow.__doc__)
    part.add_argument("--servers", nargs="+", choices=servers.SERVERS, default=installed)
    part.add_argument("--seconds", type=float, default=150, help="the longest wait (default 150)")
    part.add_argument("--json", action="store_true", help="print the result as JSON")
    part.set_defaults(run=slow.main)
    return main


def main() -> int:
    options = parser().parse_args()
    result: int = options.run(options)
    return result


if __name__ == "__main__":
    raise SystemExit(main())
