"""docs/reference.md: every public name of the engine, made from the docstrings.

python -m tests.docs.reference

A docstring may have a line `New in 0.2.0.`, and one that begins with `Provisional:` and says what may change.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference.md"

FIRST = "0.1.0"
"""The version in which everything is new that does not say otherwise."""

MODULES = (
    "server",
    "access",
    "resources",
    "notify",
    "control",
    "asking",
    "observers",
    "extensions.tasks.extension",
    "extensions.tasks.support",
    "extensions.skills.extension",
    "extensions.skills.skill",
    "exceptions",
    "testing",
    "testing.fixtures",
    "routing",
)

USED = {
    "Engine": ["options", "while_listening", "resources_changed", "resource_updated"],
    "Leases": ["try_hold"],
    "Topics": ["listen"],
    "TopicListener": ["wait"],
}
"""The members that a server uses, of classes whose others are for the engine itself."""

_INTRODUCTION = f"""# Reference

Every public name of `mcp_app`, made from the docstrings: `python -m tests.docs.reference` writes this page,
and a test fails if it is not current. [your-own-server.md](your-own-server.md) explains the parts,
[examples](examples/README.md) use them, and [configuration.md](configuration.md) lists the settings.

What is listed here is **stable**: until 1.0, every incompatible change is in [CHANGELOG.md](../CHANGELOG.md)
with what to do; from 1.0 on, there is none within a major version. Methods, attributes, and arguments with
defaults may be added. What is marked *provisional* depends on parts of the SDK that a minor release may
change. Other modules, names that begin with an underscore, and attributes that are not listed may change at
any time. Everything is new in {FIRST} unless it says otherwise.
"""

_SECTIONS = {
    "Args": "Arguments",
    "Attributes": "Attributes",
    "Returns": "Returns",
    "Yields": "Yields",
    "Raises": "Raises",
}


def names(module: Any) -> list[str]:
    """The public names of a module, classes first."""
    return sorted(module.__all__, key=lambda name: (not inspect.isclass(getattr(module, name)), name.lower()))


def page() -> str:
    """The page as it should be."""
    parts = [_INTRODUCTION]
    described: dict[int, str] = {}
    for path in MODULES:
        module = importlib.import_module(f"mcp_app.{path}")
        parts.append(f"## mcp_app.{path}\n")
        parts.append(_markdown(_docstring(module)))
        for name in names(module):
            thing = inspect.unwrap(getattr(module, name))
            if (inspect.isclass(thing) or inspect.isfunction(thing)) and id(thing) in described:
                parts.append(f"### {name}\n\nThe same as `{described[id(thing)]}.{name}`.\n")
                continue
            described[id(thing)] = f"mcp_app.{path}"
            parts.append(_entry(module, name, thing))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _entry(module: Any, name: str, thing: Any) -> str:
    lines = [f"### {name}\n"]
    if inspect.isclass(thing):
        text = _docstring(thing)
        if "Args:" in text:
            lines.append(f"```python\n{name}{_signature(thing)}\n```\n")
        lines.append(_markdown(text))
        lines += [_member(name, *member) for member in _members(thing)]
    elif inspect.isfunction(thing):
        lines += [_code(name, thing), _markdown(_docstring(thing))]
    else:
        lines += [f"```python\n{name} = {_value(thing)}\n```\n", _markdown(_of_assignment(module, name))]
    return "\n".join(lines)


def _value(thing: Any) -> str:
    text = repr(thing)
    return "…" if len(text) > 60 or " at 0x" in text else text


def _members(cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class and of its bases within mcp_app."""
    seen: set[str] = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("mcp_app"):
            continue
        for name, member in vars(base).items():
            is_code = inspect.isfunction(member) or isinstance(member, property | classmethod)
            is_used = name in USED.get(cls.__name__, [name])
            if name.startswith("_") or name in seen or not (is_code and is_used):
                continue
            seen.add(name)
            yield name, member


def _member(owner: str, name: str, member: Any) -> str:
    if isinstance(member, property):
        returned = inspect.signature(member.fget).return_annotation if member.fget else Any
        code = f"```python\n{owner}.{name}: {_annotation(returned)}\n```\n"
    else:
        code = _code(f"{owner}.{name}", getattr(member, "__func__", member))
    return f"#### {owner}.{name}\n\n{code}\n{_markdown(_docstring(member))}"


def _code(name: str, function: Any) -> str:
    function = inspect.unwrap(function)
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        is_async = inspect.isasyncgenfunction(function)
        value = _annotation(inspect.signature(function).return_annotation)
        value = value[value.index("[") + 1 : -1]
        call = re.sub(r" -> .*", "", _signature(function))
        return f"```python\n{'async ' if is_async else ''}with {name}{call}  # yields {value}\n```\n"
    prefix = "async def" if inspect.iscoroutinefunction(function) else "def"
    return f"```python\n{prefix} {name}{_signature(function)}\n```\n"


def _signature(thing: Any) -> str:
    signature = inspect.signature(thing)
    parameters = [
        parameter.replace(annotation=_Written(_annotation(parameter.annotation)))
        if parameter.annotation is not inspect.Parameter.empty
        else parameter
        for name, parameter in signature.parameters.items()
        if name not in ("self", "cls")
    ]
    returned = signature.return_annotation
    is_said = returned not in (inspect.Signature.empty, None, "None") and not inspect.isclass(thing)
    signature = signature.replace(
        parameters=parameters,
        return_annotation=_Written(_annotation(returned)) if is_said else inspect.Signature.empty,
    )
    return str(signature)


class _Written:
    """An annotation as it is written."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _annotation(annotation: Any) -> str:
    is_plain = inspect.isclass(annotation) and not hasattr(annotation, "__args__")
    text = annotation.__name__ if is_plain else str(annotation)
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)


def undocumented() -> Iterator[str]:
    """The public names, and members of public classes, that have no docstring."""
    for path in MODULES:
        module = importlib.import_module(f"mcp_app.{path}")
        for name in names(module):
            thing = inspect.unwrap(getattr(module, name))
            is_code = inspect.isclass(thing) or inspect.isfunction(thing)
            if not (_docstring(thing) if is_code else _of_assignment(module, name)):
                yield f"{path}.{name}"
            if inspect.isclass(thing):
                yield from (
                    f"{path}.{name}.{member}" for member, code in _members(thing) if not _docstring(code)
                )


def _docstring(thing: Any) -> str:
    """Its own docstring, or that of the method that it overrides."""
    text = inspect.getdoc(thing) or ""
    is_generated = inspect.isclass(thing) and text.startswith(f"{thing.__name__}(")  # of a dataclass
    return "" if is_generated else text


def _of_assignment(module: Any, name: str) -> str:
    """The string below the assignment of a constant, in the module that defines it."""
    path = inspect.getsourcefile(module)
    assert path is not None
    body = ast.parse(Path(path).read_text()).body
    for statement, following in zip(body, [*body[1:], None], strict=True):
        match statement:
            case ast.Assign(targets=[ast.Name(id=found)]) if found == name:
                if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                    return inspect.cleandoc(str(following.value.value))
            case ast.ImportFrom(module=str(source), names=aliases):
                if name in [alias.name for alias in aliases] and source.startswith("mcp_app"):
                    return _of_assignment(importlib.import_module(source), name)
    return ""


def _markdown(docstring: str) -> str:
    """A docstring with sections in Google's style, as Markdown."""
    paragraphs = re.split(r"\n\s*\n", docstring)
    return "\n".join(_paragraphs(paragraphs))


def _paragraphs(paragraphs: Iterable[str]) -> Iterator[str]:
    for paragraph in filter(None, paragraphs):
        head, _, rest = paragraph.partition("\n")
        if (section := _SECTIONS.get(head.removesuffix(":"))) and head.endswith(":"):
            yield f"**{section}**\n"
            yield _items(textwrap.dedent(rest))
        elif all(line.startswith("    ") for line in paragraph.splitlines()):
            yield f"```python\n{textwrap.dedent(paragraph)}\n```\n"
        elif head.startswith("Provisional:"):
            yield f"*Provisional:* {' '.join(paragraph.split()).removeprefix('Provisional: ')}\n"
        elif re.fullmatch(r"New in [\d.]+\.", paragraph):
            yield f"*{paragraph}*\n"
        elif paragraph.startswith("|"):
            yield f"{paragraph}\n"
        else:
            yield f"{' '.join(paragraph.split())}\n"


def _items(text: str) -> str:
    """The lines of a section: `name: what it is`, and continued with an indent."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(" ") and lines:
            lines[-1] += f" {line.strip()}"
        elif match := re.match(r"([\w, *]+?)(?: \(.*?\))?: (.*)", line):
            lines.append(f"- `{match[1]}`: {match[2]}")
        else:
            lines.append(line if not lines else f"{line}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    PAGE.write_text(page())
