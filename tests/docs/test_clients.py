"""docs/clients: each of the two example clients uses every feature, as README.md says."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, code, rows
from tests.docs.test_features import FEATURES, METHOD

CLIENTS = DOCS / "clients"
SCRIPTS = {
    "python": sorted(CLIENTS.glob("*.py")),
    "curl": sorted([*CLIENTS.glob("*.sh"), *CLIENTS.glob("*/*.sh")]),
}

# The methods of the protocol itself, with what they are called in the Python SDK.
METHODS = {
    "initialize": "Client",
    "server/discover": "Client",
    "ping": "send_ping",
    "tools/list": "list_tools",
    "tools/call": "call_tool",
    "resources/list": "list_resources",
    "resources/templates/list": "list_resource_templates",
    "resources/read": "read_resource",
    "resources/subscribe": "subscribe_resource",
    "resources/unsubscribe": "unsubscribe_resource",
    "prompts/list": "list_prompts",
    "prompts/get": "get_prompt",
    "completion/complete": "complete",
    "logging/setLevel": "set_logging_level",
    "subscriptions/listen": "listen",
    "notifications/cancelled": "cancel",
    "notifications/elicitation/complete": "ElicitCompleteNotification",
    "sampling/createMessage": "sampling_callback",
    "elicitation/create": "elicitation_callback",
    "roots/list": "list_roots_callback",
}

NOT_CALLED: dict[tuple[str, str], str] = {}
"""What a client does not call, and why. So far nothing; a feature that cannot be shown by one goes here."""


def names(script: str) -> set[str]:
    """Every name that a script sends or calls; names that it only prints or expects do not count."""
    reader = _python_names if script == "python" else _shell_words
    return {name for path in SCRIPTS[script] for name in reader(path.read_text())}


def _python_names(text: str) -> Iterator[str]:
    tree = ast.parse(text)
    said = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("say", "check")
        for argument in node.args
        if isinstance(argument, ast.Constant)
        for inner in ast.walk(argument)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(value)) if id(node) not in said:
                yield value
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name


def _shell_words(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if not re.match(r"\s*(#|step |expect )", line):
            yield from re.findall(r"[\w./:{}-]+", re.sub(r"\\?\"|'", " ", line))


def always(kind: str) -> set[str]:
    return {code(row[kind])[0] for row in rows("features.md", kind) if row.get("Served") == "always"}


def demanded() -> set[str]:
    """Tools, prompts and templates as served by default; methods of the protocol and of its extensions."""
    methods = {
        name
        for row in FEATURES
        for name in code(row["Shown by"])
        if METHOD.fullmatch(name) or name == "resources/directory/read"
    }
    assert {"tasks/update", "skills/get", "resources/directory/read"} <= methods
    return always("Tool") | always("Prompt") | always("Template") | methods | set(METHODS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_client_calls_everything_that_is_served_by_default(script: str) -> None:
    called = names(script)
    missing = set()
    for name in demanded():
        spelled = METHODS.get(name, name) if script == "python" else name
        stem = name.partition("{")[0] if name in always("Template") else spelled
        if not any(word == spelled or (stem != spelled and word.startswith(stem)) for word in called):
            missing.add(name)
    assert missing == {name for where, name in NOT_CALLED if where == script}
    assert all(NOT_CALLED.values())


def test_names_in_text_or_assertions_do_not_count_as_calls() -> None:
    assert "echo" in set(_shell_words("call echo '{}'"))
    assert "echo" not in set(_shell_words('# echo\nstep "echo"\n    expect echo\n'))
    assert "echo" in set(_python_names('check(await client.call_tool("echo"), "hello")'))
    assert "echo" not in set(_python_names('say("echo")\ncheck(names, "echo")'))


def test_each_file_of_a_client_is_read_by_it() -> None:
    main = (CLIENTS / "curl.sh").read_text()
    read = re.findall(r'^\. "\$here/(\w+\.sh)"$', main, re.MULTILINE)
    assert sorted(read) == sorted(path.name for path in (CLIENTS / "curl").iterdir())
    imported = {
        name
        for path in SCRIPTS["python"]
        for name in re.findall(r"^(?:import|from) (\w+)", path.read_text(), re.MULTILINE)
    }
    assert {path.stem for path in SCRIPTS["python"]} - imported == {"python_client"}


@pytest.mark.parametrize("name", ["WWW-Authenticate", "www-authenticate", "Www-Authenticate"])
def test_curl_finds_a_header_in_any_case_as_http_2_has_them_in_lower_case(name: str, tmp_path: Path) -> None:
    [function] = re.findall(r"^field\(\) .*?^}", (CLIENTS / "curl.sh").read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "head").write_text(f'HTTP/2 401\r\nX-WWW-Authenticate: no\r\n{name}: Bearer a="b: c"\r\n\r\n')
    script = f"head=head\n{function}\nfield WWW-Authenticate"
    run = subprocess.run(["sh", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == 'Bearer a="b: c"\n'


async def test_python_says_how_long_it_waits_for_a_sign_in_and_when_nobody_came(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(CLIENTS)
    signing_in = importlib.import_module("signing_in")
    async with signing_in.SignIn(None) as sign_in:
        await sign_in.open("https://auth.example/authorize")
        assert "within 10 minutes" in capsys.readouterr().out
        monkeypatch.setattr(signing_in, "SIGN_IN_MINUTES", 0)
        with pytest.raises(signing_in.NotSignedIn, match="Nobody signed in"):
            await sign_in.wait()
