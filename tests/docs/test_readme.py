"""README.md and the text of docs/: links work, and everything named exists."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandParser, get_commands, load_command_class

from mcp_app.access import UNLISTED_KEY
from mcp_app.runtime import Runtime
from tests.docs.markdown import DOCS, code, commands, rows

ROOT = DOCS.parent
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
README = "../README.md"

# What a command line may begin with, besides Python: programs that others bring.
PROGRAMS = {
    "curl",
    "daphne",
    "git",
    "granian",
    "lint-imports",
    "mypy",
    "npx",
    "pip",
    "pytest",
    "redis-cli",
    "ruff",
}
PROGRAMS |= {"coverage", "django-admin", "docker", "everything-server", "uv", "uvicorn", "uvx"}
SHELL = {"&&", "|", ";", ".", "&"}
ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
SHOP = ROOT / "docs/examples/shop"
"""The project that docs/your-own-server.md makes."""
A_PATH = re.compile(r"[\w./-]+\.(py|md|html|yml|txt)|[\w.-]+(/[\w.-]+)*/")


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def command_lines(page: Path) -> Iterator[list[str]]:
    """The simple commands of a page: `a && b` are two."""
    for line in commands(f"../{page.relative_to(ROOT)}"):
        words: list[str] = []
        for word in [*shlex.split(line), "&&"]:
            if word not in SHELL:
                words.append(word)
            elif words:
                while words and ASSIGNMENT.fullmatch(words[0]):
                    words.pop(0)
                yield words
                words = []


def packages() -> list[str]:
    files = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")
    lines = [line for file in files for line in file.read_text().splitlines()]
    return [re.split(r"[\[~=<>;! ]", line)[0] for line in lines if line and not line.startswith(("#", "-r "))]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_every_package_has_its_reason_and_no_other_is_named() -> None:
    table = rows(README, "Package", "Why")
    assert sorted(name for row in table for name in code(row["Package"])) == sorted(packages())
    assert all(row["Why"] for row in table)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_exists_and_knows_its_options(page: Path) -> None:
    for words in command_lines(page):
        match words:
            case ["python", "manage.py", name] if (SHOP / f"orders/management/commands/{name}.py").exists():
                pass
            case ["python", "manage.py", name, *arguments]:
                command = load_command_class(get_commands()[name], name)
                parser: CommandParser = command.create_parser("manage.py", name)
                parser.called_from_command_line = False
                parser.parse_args(arguments)
            case ["python", "-m", module, *_]:
                assert importlib.util.find_spec(module), words
            case ["python" | "sh" | "bash", path, *_] if not path.startswith("-"):
                assert (ROOT / path).is_file(), words
            case ["python" | "python3", *_]:
                pass
            case [".venv/bin/activate"]:
                pass
            case [program, *_]:
                assert program in PROGRAMS, words


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_daphne_command_keeps_its_access_log_off_which_contains_codes(page: Path) -> None:
    for options in re.findall(r"\bdaphne (.*)everything_site\.", page.read_text()):
        assert "-v 0 " in options


@pytest.mark.parametrize(
    "path",
    [*PAGES, ROOT / "everything_site/management/commands/runserver.py"],
    ids=lambda path: path.name,
)
def test_the_inspector_is_run_at_its_latest_version_and_without_a_question(path: Path) -> None:
    """Without `@latest` npm takes an old version on an older Node.js; without `-y` npx asks first."""
    for line in path.read_text().splitlines():
        if re.search(r"npx\b.*@modelcontextprotocol/inspector", line):
            assert "npx -y @modelcontextprotocol/inspector@latest " in line


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_application_that_is_to_be_served_exists(page: Path) -> None:
    """Those of `mysite`, the project of a reader, are tried in tests/packaging."""
    for module, name in re.findall(r"\b(?!mysite\.)([a-z_]+\.[a-z_]+):([a-z_]+)\b", page.read_text()):
        path = Path(module.replace(".", "/")).with_suffix(".py")
        folder = SHOP if (SHOP / path).exists() else ROOT
        tree = ast.parse((folder / path).read_text())
        assigned = {
            target.id for node in tree.body if isinstance(node, ast.Assign) for target in _names(node)
        }
        assert name in assigned


def _names(node: ast.Assign) -> list[ast.Name]:
    return [target for target in node.targets if isinstance(target, ast.Name)]


@pytest.mark.parametrize(
    "name",
    ["README.md", "CONTRIBUTING.md", *(f"docs/{name}.md" for name in ("architecture", "request", "sign-in"))],
)
def test_every_file_that_is_named_exists(name: str) -> None:
    files = {path.relative_to(ROOT).as_posix() for path in _sources()}
    folders = {f"{parent}/" for file in files for parent in map(str, Path(file).parents)}
    for mentioned in code(prose(ROOT / name)):
        if not A_PATH.fullmatch(mentioned) or mentioned.startswith(("yourcompany", "/")):
            continue
        there = files | folders
        assert any(f"/{path}".endswith(f"/{mentioned}") for path in there), mentioned


def _sources() -> Iterator[Path]:
    for pattern in ("*.*", "*/**/*.*"):
        for path in ROOT.glob(pattern):
            hidden = any(part.startswith(".") for part in path.relative_to(ROOT).parts[:-1])
            if path.is_file() and not hidden and "node_modules" not in path.parts:
                yield path


def test_every_test_that_is_named_exists() -> None:
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    named = [name for row in rows("architecture.md", "", "Invariant") for name in code(row["Tests"])]
    assert len(named) > 20
    assert set(named) <= defined


async def test_whatever_the_tour_calls_is_served() -> None:
    server = Runtime().server
    served = {tool.name for tool in await server.list_tools()}
    served |= {prompt.name for prompt in await server.list_prompts()}
    served |= {str(resource.uri) for resource in await server.list_resources()} | {"/100"}
    named = [name for row in rows(README, "Call", "Shows") for name in code(row["Call"])]
    assert set(named) <= served
    listed = {tool.name for tool in await server.list_tools() if UNLISTED_KEY not in (tool.meta or {})}
    assert listed <= set(named)


def test_every_status_of_the_transports_is_documented() -> None:
    documented = {
        status for row in rows("streamable-http.md", "Status", "Code") for status in row["Status"].split(", ")
    }
    assert _statuses() <= documented


def _statuses() -> set[str]:
    """The first argument of everything that creates an error: a call of `HttpError` or `challenge`."""
    found: set[str] = set()
    for path in (ROOT / "mcp_app" / "transports").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called: Any = node.func
            status = node.args[0]
            if getattr(called, "attr", getattr(called, "id", "")) in (
                "HttpError",
                "challenge",
            ) and isinstance(status, ast.Constant):
                found.add(str(status.value))
    assert "413" in found
    return found
