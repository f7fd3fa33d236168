"""People in tools, and restricted tools. A rule is in the tool's `meta`:

    server.add_tool(refund, meta=requires(permission="orders.refund_order", scopes=["orders:write"]))

Whoever lacks the permission does not see the tool, and calling it fails as if it did not exist. Whoever only
lacks a scope sees it, and gets a challenge that names all required scopes (RFC 6750 §3.1).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer
from mcp.types import Tool

from mcp_app.auth.scopes import covers
from mcp_app.conf import conf
from mcp_app.coordination.cache import ReadThroughCache
from mcp_app.database import OwnThread, outage_in, reaching_database
from mcp_app.exceptions import Refused
from mcp_app.people import ensure_users, find_user, person_of
from mcp_app.protocol.personal import Person, current_person, values_of
from mcp_app.protocol.session_features import StoredValues
from mcp_app.protocol.words import plural

__all__ = ["Person", "aget_user", "current_person", "person_of", "requires", "unlisted"]

logger = logging.getLogger(__name__)

META_KEY = "everything-server/scopes"
UNLISTED_KEY = "everything-server/unlisted"

When = Callable[[Person], Awaitable[bool]]

_WHEN_SECONDS = 10.0
"""How long the functions of a server that decide about a person may take together."""


class Rule(list[str]):
    """Who may use a tool, as the value in its `_meta`. As JSON it shows the scopes only.

    Attributes:
        permission: The Django permission that is needed, as `app_label.codename`.
        when: Decides about a person.
        hides: Whether the tool is hidden from some people.
    """

    def __init__(self, scopes: Sequence[str], permission: str | None, when: When | None) -> None:
        super().__init__(scopes)
        self.permission = permission
        self.when = when
        self.hides = permission is not None or when is not None


_OPEN = Rule((), None, None)
_UNKNOWN = None, None


def requires(
    *, scopes: Sequence[str] = (), permission: str | None = None, when: When | None = None
) -> dict[str, Any]:
    """The `meta` of a restricted tool. All given conditions must be met.

    Args:
        scopes: Scopes that the token needs in addition to `MCP_REQUIRED_SCOPES`. A call without them gets 403
            with a challenge. Clients see them in the `_meta` of the tool.
        permission: A permission that the user needs, `app_label.codename`. To others the tool does not exist.
        when: Decides about a person, who may be nobody; `aget_user(person)` finds the user. If it returns
            False, raises, or takes longer than 10 seconds, the tool does not exist for them.

    The answers about a person are kept for `MCP_CACHE_SECONDS` in each process.

    Raises:
        ValueError: Nothing is required, or the permission has no app label.
        TypeError: `scopes` is a string.
    """
    if isinstance(scopes, str):
        raise TypeError(f"scopes must be a list of strings, not the string {scopes!r}")
    if not scopes and permission is None and when is None:
        raise ValueError("requires() needs scopes, a permission or a function; leave it out for everybody")
    if permission is not None and not all(permission.partition(".")):
        raise ValueError(f"A permission is written app_label.codename, not {permission!r}")
    return {META_KEY: Rule(scopes, permission, when)}


def unlisted() -> dict[str, Any]:
    """The `meta` of a tool that can be called and is in no list, such as an earlier name of another one."""
    return {UNLISTED_KEY: True}


async def aget_user(person: Person | None = None) -> Any:
    """The active user who makes the current request. It works in any handler, also within tasks.

    Args:
        person: Whose user; by default the current person's.

    Raises:
        PermissionDenied: No active user is signed in.
        ImproperlyConfigured: The tokens are those of another server, and `MCP_PERSON_TO_USER` is not set.
    """
    user = await sync_to_async(find_user)(current_person() if person is None else person)
    if user is None:
        raise PermissionDenied("No active user of this server is signed in.")
    return user


class InsufficientScope(Refused):
    """The token lacks a scope.

    Args:
        held: The scopes of the token.
        needed: All scopes that the request needs.
    """

    def __init__(self, held: Collection[str], needed: Sequence[str]) -> None:
        lacking = [scope for scope in needed if not covers(held, (scope,))]
        names = f"{plural('scope', len(lacking))} {', '.join(lacking)}"
        super().__init__(f"This requires the {names}, which the token does not have.")
        self.needed = needed


class ToolAccess:
    """Who may use which tool of a server. Everything asks here: lists, calls, tasks, recovery.

    A tool without a rule costs nothing. Unknown and hidden tools take the same path, with the same queries.
    """

    def __init__(self, server: MCPServer[Any]) -> None:
        self._server = server
        self._rules: dict[str, tuple[Any, Rule]] = {}
        """By tool: its input schema, which tells whether it is still the same tool, and its rule."""
        self._allowed: ReadThroughCache[frozenset[str]] = ReadThroughCache(_size_of)
        """By person: the names of those restricted tools that they can see."""

    async def ensure_users(self) -> None:
        """
        Raises:
            ImproperlyConfigured: A tool requires a permission, and nothing says which users people are.
        """
        if any(rule.permission is not None for rule in (await self.rules()).values()):
            ensure_users(conf.issuer)

    async def rules(self) -> dict[str, Rule]:
        """The rule of every tool, by its name."""
        return {tool.name: _rule_of(tool) for tool in await self._server.list_tools()}

    async def exists(self, name: str) -> bool:
        """Whether a tool exists for the current person. Scopes do not count."""
        return await self._visible_rule(name) is not None

    async def may_run(self, name: str) -> bool:
        """Whether a tool exists for the current person, when it is about to run.

        Its scopes were checked when the call was admitted. They are checked once more, as a call or a task
        may be re-run, or continued, for a token that lacks them.

        Raises:
            InsufficientScope: The token lacks a scope that the tool needs.
        """
        rule = await self._visible_rule(name)
        if rule:
            token = get_access_token()
            _ensure_scopes(() if token is None else token.scopes, rule)
        return rule is not None

    async def is_hidden(self, name: str) -> bool:
        """Whether there is such a tool, and it does not exist for the current person."""
        rule = await self._rule(name)
        return rule is not None and rule.hides and name not in await self._allowed_now()

    def differs(self, tools: Sequence[Tool]) -> bool:
        """Whether some people do not see all of these tools."""
        return any(_rule_of(tool).hides for tool in tools)

    async def visible(self, tools: Sequence[Tool]) -> Sequence[Tool]:
        """The tools of the server that exist for the current person and are listed."""
        tools = [tool for tool in tools if not (tool.meta and UNLISTED_KEY in tool.meta)]
        if not self.differs(tools):
            return tools
        allowed = await self._allowed_now()
        return [tool for tool in tools if not _rule_of(tool).hides or tool.name in allowed]

    async def ensure_scopes(
        self, held: Collection[str], method: str, params: Mapping[str, Any] | None
    ) -> None:
        """Check the scopes that a request needs in addition to those of every request.

        They depend on the method and the tool, not on arguments, so one challenge can name all of them. A
        tool that does not exist for the current person needs none.

        Raises:
            InsufficientScope: A token with these scopes lacks one.
        """
        name = params.get("name") if method == "tools/call" and params else None
        if isinstance(name, str) and (more := await self._visible_rule(name)):
            _ensure_scopes(held, more)

    async def aclose(self) -> None:
        """Cancel look-ups in progress."""
        await self._allowed.aclose()

    @cached_property
    def _find_schema(self) -> Callable[[str], Mapping[str, Any] | None]:
        """Finds the input schema of a tool, by its name."""
        find_schema = self._server.session_manager.app.get_tool_input_schema
        assert find_schema is not None, "MCPServer sets it"
        return find_schema

    async def _rule(self, name: str) -> Rule | None:
        """The rule of a tool; None if there is no such tool."""
        schema = self._find_schema(name)
        if schema is None:
            return None
        known = self._rules.get(name)
        if known is None or known[0] is not schema:  # at first, or the tool is new
            tools = await self._server.list_tools()
            self._rules = {tool.name: (self._find_schema(tool.name), _rule_of(tool)) for tool in tools}
            known = self._rules.get(name)
        return None if known is None else known[1]

    async def _visible_rule(self, name: str) -> Rule | None:
        """The rule of a tool; None if it does not exist for the current person."""
        schema, rule = self._rules.get(name, _UNKNOWN)
        if schema is not self._find_schema(name):
            rule = await self._rule(name)
        if rule is not None and not rule.hides:
            return rule
        is_allowed = name in await self._allowed_now()  # asked for an unknown tool as for a hidden one
        return rule if is_allowed else None

    async def _allowed_now(self) -> frozenset[str]:
        person = current_person()
        load = partial(self._load, person, values_of.get(None))
        allowed = self._allowed.get(person.key, load)
        if allowed is None:
            allowed = await self._allowed.read(person.key, load)
        return allowed or frozenset()

    async def _load(self, person: Person, values: Callable[[str], StoredValues] | None) -> frozenset[str]:
        """The names that are kept in `_allowed`. It runs in its own task, which may belong to no request.

        Raises:
            Unavailable: The database is, or a store that a rule used.
        """
        if values is not None:
            values_of.set(values)  # for `Person.data` in rules
        rules = {name: rule for name, rule in (await self.rules()).items() if rule.hides}
        functions = list({rule.when for rule in rules.values() if rule.when is not None})
        async with OwnThread():  # as these queries run outside of any call, or of its thread
            granted = await _granted(person, {rule.permission for rule in rules.values() if rule.permission})
            decided = await asyncio.gather(
                *(_decide(when, person) for when in functions), return_exceptions=True
            )
        for outcome in decided:
            if isinstance(outcome, BaseException):
                raise outcome
        agreed = {when for when, outcome in zip(functions, decided, strict=True) if outcome}
        return frozenset(
            name
            for name, rule in rules.items()
            if (rule.permission is None or rule.permission in granted)
            and (rule.when is None or rule.when in agreed)
        )


async def _granted(person: Person, permissions: Collection[str]) -> Collection[str]:
    """The permissions among these that the person's user has."""
    if not permissions:
        return ()

    def granted() -> Collection[str]:
        user = find_user(person)
        return () if user is None else [name for name in permissions if user.has_perm(name)]

    with reaching_database:
        return await sync_to_async(granted)()


async def _decide(when: When, person: Person) -> bool:
    """
    Raises:
        Unavailable: It could not use a store.
    """
    try:
        async with asyncio.timeout(_WHEN_SECONDS):
            return bool(await when(person))
    except Exception as error:
        if (outage := outage_in(error)) is not None:
            raise outage from error
        logger.exception("the rule of a tool failed, which hides the tool")
        return False


def _rule_of(tool: Tool) -> Rule:
    rule = (tool.meta or {}).get(META_KEY)
    return rule if isinstance(rule, Rule) else _OPEN


def _ensure_scopes(held: Collection[str], more: Sequence[str]) -> None:
    if not covers(held, more):
        raise InsufficientScope(held, (*conf.required_scopes, *more))


def _size_of(names: frozenset[str]) -> int:
    return 512 + sum(64 + len(name) for name in names)
