"""docs/your-own-server.md as a reader follows it: the files that its steps write, and the commands to run.

python -m tests.examples.page

writes the result of the last step to docs/examples/shop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.markdown import DOCS

PAGE = DOCS / "your-own-server.md"
EXAMPLE = DOCS / "examples" / "shop"
AT_THE_END = ", at the end"

_STEP = re.compile(r"^## (\d+)\. (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code: a whole file, what follows at its end, a change of it, or commands."""

    language: str
    text: str

    @property
    def path(self) -> str:
        """The file that it is about, which its first line names."""
        return self.text.partition("\n")[0].removeprefix("# ").removesuffix(AT_THE_END)

    @property
    def commands(self) -> list[str]:
        return [line.removeprefix("$ ") for line in self.text.splitlines()]

    def apply(self, folder: Path) -> None:
        """Write the file, or change it.

        Raises:
            ValueError: What is to be changed is not there, or is there more than once.
        """
        first, _, code = self.text.partition("\n")
        path = folder / self.path
        if self.language == "diff":
            before = path.read_text()
            for old, new in _changes(code):
                if before.count(old) != 1:
                    raise ValueError(f"{path} has this {before.count(old)} times: {old}")
                before = before.replace(old, new)
            path.write_text(before)
        elif first.endswith(AT_THE_END):
            with path.open("a") as file:
                file.write(code)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.text)


@dataclass
class Step:
    """A section of the page."""

    number: int
    title: str
    blocks: list[Block] = field(default_factory=list)


def _changes(code: str) -> Iterator[tuple[str, str]]:
    """The text before and after each change of a diff, which ends where lines are removed anew."""
    old: list[str] = []
    new: list[str] = []
    for line in code.splitlines():
        sign, text = line[:1], line[1:]
        if sign == "-" and len(new) > 0 and new != old:
            yield "".join(old), "".join(new)
            old, new = [], []
        if sign != "+":
            old.append(f"{text}\n")
        if sign != "-":
            new.append(f"{text}\n")
    yield "".join(old), "".join(new)


def steps() -> list[Step]:
    text = PAGE.read_text()
    found = list(_STEP.finditer(text))
    ends = [match.start() for match in found[1:]] + [text.index("\n## ", found[-1].end())]
    return [
        Step(
            int(match[1]),
            match[2],
            [Block(*block.groups()) for block in _BLOCK.finditer(text, match.end(), end)],
        )
        for match, end in zip(found, ends, strict=True)
    ]


def write(folder: Path) -> None:
    """What all steps write, without what Django writes."""
    for step in steps():
        for block in step.blocks:
            if block.language in ("python", "diff") and block.path != "project/settings.py":
                block.apply(folder)


if __name__ == "__main__":
    write(EXAMPLE)
