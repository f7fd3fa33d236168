"""System checks of the server that MCP_SERVER names: it is built, and what its tools require can be met."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.utils.module_loading import import_string

from mcp_app.auth.scopes import covers
from mcp_app.checks import check_observers, check_token_verifier
from mcp_app.conf import conf

if TYPE_CHECKING:
    from mcp_app.access import Rule
    from mcp_app.runtime import Runtime

T = TypeVar("T")


@register
def check_server(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return built_and_checked()[1] if conf.server else []


def built_and_checked() -> tuple[Runtime | None, list[CheckMessage]]:
    """The runtime of a process that serves, and what is wrong with its server.

    There is no runtime if building it fails, whether this is reported here or not: for a setting, another
    check reports it, and a missing table may be one that the command to be checked is to create.
    """
    runtime, fault, rules = _try_server()
    if fault:
        return None, [
            Error(
                f"MCP_SERVER names {conf.server!r}, which {fault}.",
                hint="It must be the dotted path of a function that takes an Engine and returns an "
                "MCPServer.",
                id="mcp_app.E002",
            )
        ]
    return runtime, [*_unknown_permissions(rules), *_scopes_of_tools(rules)]


def _unknown_permissions(rules: dict[str, Rule]) -> list[CheckMessage]:
    permissions = {tool: rule.permission for tool, rule in rules.items() if rule.permission is not None}
    known = set(_permissions_of_models()) if permissions else set()
    return [
        Warning(
            f"The tool {tool!r} requires the permission {permission!r}, which no installed model has: it is "
            "hidden from everybody but superusers.",
            hint="Name a default permission of a model, or one of its Meta.permissions, as "
            "app_label.codename. Silence this if it is created elsewhere.",
            id="mcp_app.W007",
        )
        for tool, permission in permissions.items()
        if permission not in known
    ]


def _scopes_of_tools(rules: dict[str, Rule]) -> list[CheckMessage]:
    """Scopes of tools that no token can have, each with the first tool that requires it."""
    tools = {scope: tool for tool, rule in reversed(rules.items()) for scope in rule}
    return [
        Error(
            f"The tool {tools[scope]!r} requires the scope {scope!r}, which no token can have: nobody can "
            "call it.",
            hint=f'If this project issues the tokens, add "{scope}", with what the consent page says of it, '
            f'to OAUTH_SCOPES, such as OAUTH_SCOPES = {{"{scope}": "…"}}; if not, to the scopes of who does.',
            id="mcp_app.E014",
        )
        for scope in _never_issued(sorted(tools))
    ]


@register
def check_required_scopes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if conf.faults():
        return []
    return [
        Error(
            f"MCP_REQUIRED_SCOPES has {scope!r}, which no token can have: nobody could sign in.",
            hint=f"Tokens may have these: {', '.join(_issued_scopes() or ())}.",
            id="mcp_app.E014",
        )
        for scope in _never_issued(conf.required_scopes)
    ]


def _never_issued(scopes: Iterable[str]) -> list[str]:
    """The scopes among these that no token can have, as far as the token verifier says."""
    issued = _issued_scopes()
    return [] if issued is None else [scope for scope in scopes if not covers(issued, (scope,))]


def _issued_scopes() -> Collection[str] | None:
    """The scopes that tokens may have: the verifier's `issued_scopes()`, None if it has no such method."""
    try:
        issued = getattr(import_string(conf.token_verifier), "issued_scopes", None)
    except ImportError:
        return None  # another check reports that
    return issued() if callable(issued) else None


def _try_server() -> tuple[Runtime | None, str, dict[str, Rule]]:
    """Build the server. Returns its runtime, or why there is none, if known; and the rules of its tools."""
    try:
        factory = import_string(conf.server)
    except Exception as error:  # such as a syntax error
        return None, f"cannot be imported: {_reason(error)}", {}
    if not callable(factory):
        return None, "cannot be called", {}
    if conf.faults() or check_token_verifier(None) or check_observers(None):
        return None, "", {}  # the runtime could not be created for another reason, which is reported
    from mcp_app.runtime import Runtime  # which only the processes that serve have to import

    try:
        runtime = Runtime()
        access = runtime.engine.access
        _run(access.ensure_users())
        return runtime, "", _run(access.rules())
    except DatabaseError:
        return None, "", {}
    except Exception as error:
        return None, f"cannot build a server: {_reason(error)}", {}


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it in a thread, as some servers import asgi.py, which runs the checks, within their event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def _permissions_of_models() -> Iterator[str]:
    """The permissions that `migrate` creates."""
    for model in apps.get_models():
        options = model._meta
        codenames = [f"{action}_{options.model_name}" for action in options.default_permissions]
        for codename in (*codenames, *(codename for codename, _ in options.permissions)):
            yield f"{options.app_label}.{codename}"


def _reason(error: Exception) -> str:
    is_sentence = isinstance(error, ImproperlyConfigured | ImportError)
    return str(error).removesuffix(".") if is_sentence else f"{type(error).__name__}: {error}"
