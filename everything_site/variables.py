"""Variables: from the process environment, the file `.env` or files with one value, to typed values.

    PORT=4000
    export BASE_URI = "https://mcp.example.com"   # a comment
    SECRET_KEY='taken literally: $HOME, \\n, #'

Values are literal, so a password may contain `$`. Only in double quotes do `\\n`, `\\r`, `\\t`,
`\\"`, `\\$` and `\\\\` have a meaning. An empty value counts as none.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured

from everything_site.conf import AnySetting

T = TypeVar("T")

_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*
        (?:'(?P<literal>[^']*)'|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s'"#](?:.*?\S)??)?)
        \s*(?:(?<=\s)\#.*)?""",
    re.VERBOSE,
)
_LINE_ENDS = re.compile(r"\r\n|\n|\r")
_WORDS = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "$": "$", '"': '"', "\\": "\\"}


class Variables:
    """The variables of this process, completed by those of a file.

    Args:
        base_dir: The project's folder; relative names of files start there.
        process: The environment of the process, which takes precedence over the file.
    """

    def __init__(self, base_dir: Path, process: Mapping[str, str] = os.environ) -> None:
        self._base_dir = base_dir
        self._sources: list[Mapping[str, str]] = [process]
        name = self.text("ENV_FILE") or ".env"
        path = base_dir / name
        if os.path.lexists(path):
            self._sources.append(parse(_read(path, "ENV_FILE" if name != ".env" else ".env"), path))
        elif name != ".env":
            raise ImproperlyConfigured(f"ENV_FILE names {path}, which does not exist.")

    def text(self, name: str) -> str:
        """The value of a variable, or of the file that `NAME_FILE` names; empty if there is none.

        One line end at the end of that file is dropped, as editors and `echo` write it.

        Raises:
            ImproperlyConfigured: Both are set, or the file cannot be read, is empty or has several lines.
        """
        for source in self._sources:
            value, file = source.get(name, ""), source.get(f"{name}_FILE", "").strip()
            if value.strip() and file:
                raise ImproperlyConfigured(f"{name} and {name}_FILE are both set; leave one of them out.")
            if value.strip():
                return value
            if file:
                content = re.sub(r"\r?\n\Z", "", _read(self._base_dir / file, f"{name}_FILE"))
                if not content.strip():
                    raise ImproperlyConfigured(f"{name}_FILE names {file}, which is empty.")
                if _LINE_ENDS.search(content):
                    raise ImproperlyConfigured(f"{name}_FILE names {file}, which must have one line only.")
                return content
        return ""

    def value(self, setting: AnySetting[T]) -> T:
        """The value of a setting, or its default if its variable is not set.

        Raises:
            ImproperlyConfigured: The text is not a valid value of the setting.
        """
        text = self.text(setting.variable)
        value = _parsed(setting, text) if text else setting.default
        if text and (wanted := setting.fault(value)):
            given = "" if setting.secret else f", not {text!r}"
            raise ImproperlyConfigured(f"{setting.variable} must be {wanted}{given}.")
        return value

    def unknown(self, settings: Iterable[AnySetting[Any]]) -> list[str]:
        """A message for each unknown variable that looks like one of these settings."""
        variables = {setting.name: setting.variable for setting in settings}
        variables |= {variable: variable for variable in variables.values()}
        known = {*variables.values()}
        found = []
        for source in self._sources:
            for name in source.keys() - known - {f"{variable}_FILE" for variable in known}:
                if close := difflib.get_close_matches(name.upper(), variables, 1, 0.85):
                    found.append(f"{name} is not read: did you mean {variables[close[0]]}?")
        return sorted({*found})


def _parsed(setting: AnySetting[Any], text: str) -> Any:
    """The parsed value of a text; None if it has the wrong type."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    match setting.default:
        case bool():
            return _WORDS.get(text.strip().lower())
        case int():
            return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
        case float():
            return float(text) if re.fullmatch(r"[0-9]{1,18}(\.[0-9]+)?", text) else None
        case str():
            return text
        case Mapping():
            found = dict(re.findall(r"([^\s=,]+)\s*=\s*([^=,]+)", ",".join(items)))
            return found if len(found) == len(items) == text.count("=") else None
    return tuple(items) or setting.default


def as_text(value: Any) -> str:
    """The text form of a value."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"{value:.15g}"
        case str():
            return value
        case Mapping():
            return ",".join(f"{key}={item}" for key, item in value.items())
    return ",".join(value)


def about(setting: AnySetting[Any]) -> str:
    """The purpose of a setting and its allowed values, in Markdown."""
    parts = [setting.help]
    prefix = setting.name.removesuffix(setting.attribute.upper())
    match setting.default:
        case int() | float() if setting.maximum < inf:
            parts.append(f"from {setting.minimum} to {setting.maximum}")
        case int() | float() if setting.minimum not in (0, 1):
            parts.append(f"at least {setting.minimum}")
        case list() | tuple():
            parts.append("separated by commas")
    if setting.below:
        parts.append(f"less than `{prefix}{setting.below[0].upper()}`")
    if setting.up_to:
        parts.append(f"at most `{prefix}{setting.up_to.upper()}`")
    return "; ".join(parts)


def parse(text: str, path: Path) -> dict[str, str]:
    """The variables that the text of an env file sets.

    Raises:
        ImproperlyConfigured: A line cannot be read, or sets a variable again. The message has its number, and
            nothing of a value.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(_LINE_ENDS.split(text), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or "\0" in line:
            raise ImproperlyConfigured(
                f"Line {number} of {path} cannot be read: it must be NAME=value, with a value of one line "
                f"whose quotes are closed."
            )
        if match["name"] in found:
            raise ImproperlyConfigured(
                f"{match['name']} is set again in line {number} of {path}; leave one of the lines out."
            )
        if (quoted := match["quoted"]) is not None:
            value = re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[0]), quoted)
        else:
            value = match["literal"] or match["bare"] or ""
        found[match["name"]] = value
    return found


def _read(path: Path, name: str) -> str:
    """The text of a file, with or without a byte order mark."""
    try:
        mode = path.stat().st_mode
        # A file that can be read only once, such as a pipe, would be gone for the next process.
        if not stat.S_ISREG(mode) and str(path) != os.devnull:
            raise ImproperlyConfigured(f"{name} must be a file: {path} is none.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ImproperlyConfigured(f"{name}: {path} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise ImproperlyConfigured(f"{name}: {path} must be text in UTF-8.") from None
