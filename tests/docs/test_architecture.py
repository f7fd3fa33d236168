"""docs/architecture.md: its table of rooms is the engine's, in the order that the contracts keep."""

from __future__ import annotations

import re
import tomllib

from tests.docs.markdown import DOCS, code, rows
from tests.docs.rooms import rooms

TABLE = [code(row["Room"]) for row in rows("architecture.md", "Room", "What it knows")]
LISTED = [room for row in TABLE for room in row]


def _layers() -> list[set[str]]:
    """The layers of the contract, the highest first, without what is optional."""
    contracts = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    [layers] = [contract["layers"] for contract in contracts if contract.get("containers") == ["mcp_app"]]
    return [set(re.findall(r"(?<!\()\b\w+\b(?!\))", layer)) for layer in layers]


def test_every_room_is_in_the_table_and_every_row_exists() -> None:
    assert sorted(LISTED) == sorted(rooms())


def test_a_room_stands_below_those_that_may_import_it() -> None:
    layers = _layers()
    height = {room: at for at, layer in enumerate(layers) for room in layer}
    listed = [height[room.removesuffix("/").removesuffix(".py")] for room in LISTED]
    assert listed == sorted(listed)


def test_no_module_is_longer_than_400_lines() -> None:
    assert {room: max(lines) for room, lines in rooms().items() if max(lines) > 400} == {}
