"""docs/audit.md lists the reasons of refusals: exactly those that the code can give."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mcp_app.conf import Conf
from mcp_app.transports.errors import REASONS
from tests.docs.markdown import DOCS, code, rows

ENGINE = DOCS.parent / "mcp_app"
OTHERS = {ENGINE / "extensions", ENGINE / "doctor"}
"""What extensions refuse is the error of a call, which has a code and no reason; `doctor` is a client."""


def _modules() -> Iterator[ast.Module]:
    for path in sorted(ENGINE.rglob("*.py")):
        if not OTHERS.intersection(path.parents):
            yield ast.parse(path.read_text())


def _texts(node: ast.AST) -> set[str]:
    return {
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _keyword_reasons(module: ast.Module) -> set[str]:
    """The texts that are passed as `reason=…`, also by way of a table of the module."""
    tables = {
        target.id: _texts(statement.value)
        for statement in module.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    found: set[str] = set()
    for call in ast.walk(module):
        for keyword in call.keywords if isinstance(call, ast.Call) else ():
            if keyword.arg == "reason":
                found |= _texts(keyword.value)
                for name in ast.walk(keyword.value):
                    found |= tables.get(name.id, set()) if isinstance(name, ast.Name) else set()
    return found


def _default_reasons(module: ast.Module) -> set[str]:
    """Those of errors that are made without a reason: it follows from the status."""
    found: set[str] = set()
    for call in ast.walk(module):
        if not isinstance(call, ast.Call) or _called(call) != "HttpError":
            continue
        if all(keyword.arg != "reason" for keyword in call.keywords):
            status = call.args[0]
            known = ast.literal_eval(status) if isinstance(status, ast.Constant) else None
            assert known in REASONS, ast.unparse(call)
            found.add(REASONS[known])
    return found


def _challenges(module: ast.Module) -> set[str]:
    return {
        text
        for call in ast.walk(module)
        if isinstance(call, ast.Call) and _called(call) == "challenge"
        for text in _texts(call.args[1])
    }


def _limits(module: ast.Module) -> set[str]:
    """The settings of the quotas that the module defines."""
    limiting = [
        node
        for node in ast.walk(module)
        if (isinstance(node, ast.Call) and _called(node) in ("QuotaExceeded", "Kind"))
        or (isinstance(node, ast.ClassDef) and "QuotaExceeded" in map(ast.unparse, node.bases))
    ]
    return {
        getattr(Conf, found.attr).name
        for node in limiting
        for found in ast.walk(node)
        if isinstance(found, ast.Attribute) and ast.unparse(found.value) == "Conf"
    }


def test_every_reason_that_the_code_can_give_is_documented_and_no_other() -> None:
    given: set[str] = set()
    for module in _modules():
        given |= _keyword_reasons(module) | _default_reasons(module) | _challenges(module) | _limits(module)
    documented = [word for row in rows("audit.md", "Reason") for word in code(row["Reason"])]
    assert len(documented) > 20
    assert sorted(set(documented)) == sorted(documented)
    assert set(documented) == given


def test_every_status_has_a_reason_that_is_used() -> None:
    used = set().union(*map(_default_reasons, _modules()))
    assert used == set(REASONS.values())
