"""What tests read of the documentation: tables, code, and the commands of console blocks."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"

_CELL_BORDER = re.compile(r"(?<!\\)\|")


def rows(document: str, *heading: str) -> list[dict[str, str]]:
    """The rows of all tables of a document whose heading begins like this."""
    found: list[dict[str, str]] = []
    table: list[list[str]] = []
    for line in [*(DOCS / document).read_text().splitlines(), ""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in _CELL_BORDER.split(line)[1:-1]])
            continue
        if table and tuple(table[0][: len(heading)]) == heading:
            found += [dict(zip(table[0], row, strict=True)) for row in table[2:]]
        table = []
    return found


def commands(document: str) -> list[str]:
    """The lines after a `$` in the document's console blocks."""
    lines = [line for block in blocks(document, "console") for line in block.splitlines()]
    return [line[2:] for line in lines if line.startswith("$ ")]


def blocks(document: str, language: str) -> list[str]:
    """The document's blocks of code in a language."""
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / document).read_text(), re.DOTALL)


def code(cell: str) -> list[str]:
    """What a cell has between backticks."""
    return re.findall(r"`([^`]+)`", cell)
