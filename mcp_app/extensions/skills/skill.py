"""Loading a skill from a folder, and its entry in the protocol (SEP-2640, "Skill Entries")."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Skill", "load_skills"]

SCHEME = "skill://"
MANIFEST = "SKILL.md"
MAX_FILES = 512
MAX_BYTES = 16 * 1024 * 1024

_NAME = re.compile(r"(?!.*--)[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
_MARKDOWN = "text/markdown"

_FRONTMATTER = re.compile(r"---\n(.*?)\n---\n", re.DOTALL)
_FIELD = re.compile(r"(?P<indent> {0,2})(?P<key>[A-Za-z0-9_./-]+):(?: (?P<value>.+))?")
# What every YAML version reads as a string without quotes: words that start with a letter, do not end with a
# colon, have no comment, and are not special words.
_PLAIN = re.compile(r"[A-Za-z](?:[^:#\n]|:(?=\S)|(?<=\S)#)*")
_SPECIAL = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


@dataclass(frozen=True)
class SkillFile:
    """One file of a skill."""

    uri: str
    data: bytes
    mime_type: str

    def entry(self) -> dict[str, Any]:
        digest = hashlib.sha256(self.data).hexdigest()
        return {"uri": self.uri, "digest": f"sha256:{digest}", "size": len(self.data)}


@dataclass(frozen=True)
class Skill:
    """One skill: the frontmatter of its manifest, and its files, manifest first."""

    uri: str
    frontmatter: dict[str, Any]
    files: tuple[SkillFile, ...]

    @property
    def name(self) -> str:
        """Its name, which is that of its folder."""
        return str(self.frontmatter["name"])

    @property
    def description(self) -> str:
        """What it is for, as its frontmatter says."""
        return str(self.frontmatter["description"])

    def entry(self) -> dict[str, Any]:
        """The `Skill` of `skills/list` and `skills/get`."""
        return {
            "uri": self.uri,
            "frontmatter": self.frontmatter,
            "resources": [file.entry() for file in self.files],
        }


def load_skills(root: Path) -> list[Skill]:
    """Load the skills in a folder tree: each folder with a SKILL.md is one. Nesting is not supported.

    Raises:
        ValueError: A skill violates the specification.
    """
    manifests = sorted(root.rglob(MANIFEST), key=lambda path: (len(path.parts), path))
    return [load_skill(root, manifest.parent) for manifest in manifests]


def load_skill(root: Path, folder: Path) -> Skill:
    """Load the skill in one folder below `root`."""
    base = SCHEME + folder.relative_to(root).as_posix()
    paths = sorted(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.name != MANIFEST
    )
    files = tuple(
        SkillFile(f"{base}/{path.relative_to(folder).as_posix()}", path.read_bytes(), _mime_type(path))
        for path in paths
    )
    frontmatter = parse_frontmatter((folder / MANIFEST).read_text(encoding="utf-8"))
    name = frontmatter.get("name")
    if name != folder.name or not _NAME.fullmatch(folder.name):
        raise ValueError(f"{base}: the name of a skill must be that of its folder, in lower case")
    if not frontmatter.get("description"):
        raise ValueError(f"{base}: a skill must have a description")
    if len(files) > MAX_FILES or sum(len(file.data) for file in files) > MAX_BYTES:
        raise ValueError(f"{base}: a skill may have at most {MAX_FILES} files and {MAX_BYTES} bytes")
    return Skill(f"{base}/{MANIFEST}", frontmatter, files)


def parse_frontmatter(text: str) -> dict[str, Any]:
    """Parse the YAML frontmatter of a SKILL.md: only strings, with one level of nesting.

    All YAML parsers must read the same, so ambiguous values are rejected: quote them.

    Raises:
        ValueError: It is missing, or not supported.
    """
    match = _FRONTMATTER.match(text)
    if match is None:
        raise ValueError("a SKILL.md must begin with frontmatter between two lines of ---")
    found: dict[str, Any] = {}
    inner: dict[str, Any] | None = None
    for line in match[1].splitlines():
        field = _FIELD.fullmatch(line)
        if field is None or len(field["indent"]) == 1:
            raise ValueError(f"unsupported frontmatter: {line!r}")
        if field["indent"]:
            if inner is None or field["value"] is None:
                raise ValueError(f"unsupported frontmatter: {line!r}")
            inner[field["key"]] = _scalar(field["value"])
        elif field["value"] is None:
            inner = found[field["key"]] = {}
        else:
            inner = None
            found[field["key"]] = _scalar(field["value"])
    return found


def _scalar(text: str) -> str:
    if text.startswith('"'):
        value = json.loads(text)
        if isinstance(value, str):
            return value
    elif _PLAIN.fullmatch(text) and text == text.rstrip() and text.lower() not in _SPECIAL:
        return text
    raise ValueError(f"a value that must be quoted: {text!r}")


def _mime_type(path: Path) -> str:
    if path.suffix == ".md":
        return _MARKDOWN
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"
