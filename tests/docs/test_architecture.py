"""docs/architecture.md: its table lists the parts of the engine, in the order of the layer contract."""

from __future__ import annotations

import re
import tomllib

from tests.docs.markdown import DOCS, code, rows
from tests.docs.parts import parts

TABLE = rows("architecture.md", "Part", "Responsibility")
LISTED = [part for row in TABLE for part in code(row["Part"])]
CONTRACTS = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
PACKAGES = {"HTTP": "starlette", "Redis": "redis", "Django": "django", "MCP": "mcp"}
"""The package that a contract forbids, by its name in the table."""


def _name(part: str) -> str:
    return part.removesuffix("/").removesuffix(".py")


def _layers() -> dict[str, int]:
    """The layer of each part, counted from the highest."""
    [layers] = [contract["layers"] for contract in CONTRACTS if contract.get("containers") == ["mcp_app"]]
    return {part: at for at, layer in enumerate(layers) for part in re.findall(r"\w+", layer)}


def test_every_part_is_in_the_table_and_every_row_exists() -> None:
    assert sorted(LISTED) == sorted(parts())


def test_each_part_is_listed_below_those_that_may_import_it() -> None:
    layers = _layers()
    listed = [layers[_name(part)] for part in LISTED]
    assert listed == sorted(listed)


def test_public_modules_are_in_bold() -> None:
    public = {
        code(row["Module of `mcp_app`"])[0] for row in rows("your-own-server.md", "Module of `mcp_app`")
    }
    bold = {_name(part) for row in TABLE for part in re.findall(r"\*\*`(.+?)`\*\*", row["Part"])}
    assert bold == public


def test_the_forbidden_dependencies_are_those_of_the_contracts() -> None:
    layers = _layers()
    forbidden = {
        (source.removeprefix("mcp_app."), package)
        for contract in CONTRACTS
        if contract["type"] == "forbidden"
        for source in contract["source_modules"]
        for package in contract["forbidden_modules"]
        if source.startswith("mcp_app.") and package in PACKAGES.values()
    }
    documented = set()
    for row in TABLE:
        for part in map(_name, code(row["Part"])):
            words = re.findall(r"\w+", re.sub(r"`.*?`", "", row["Must not depend on"]))
            documented |= {(part, PACKAGES[word]) for word in words}
            above = [layers[_name(other)] for other in code(row["Must not depend on"])]
            assert all(layer <= layers[part] for layer in above), part
    assert documented == forbidden


def test_no_module_is_longer_than_400_lines() -> None:
    assert {part: max(lines) for part, lines in parts().items() if max(lines) > 400} == {}
