"""Everything that the server lists, called by a client that reads only the schema.

Only what is required, each default, the extremes of each schema, null where a value may be left out. The
cases come from the lists, so what is added to the server is covered without a line here.
"""

import itertools
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    PromptReference,
    ResourceTemplateReference,
)

from everything_site.demo.notes import Note
from mcp_app.protocol.error_codes import RESOURCE_NOT_FOUND
from tests.e2e.tools import CALLS, VALUES, Person, text_of
from tests.support.clock import run_without_waiting

from .support import MODERN, build_server
from .test_notes import Store, signed_in

pytestmark = pytest.mark.slow

FAILS = {
    "test_error_handling": "always, by design",
    "failing_job": "always, by design",
    "protocol_error_job": "always, by design",
    "toggle-simulated-logging": "always: there is no session in memory",
    "toggle-subscriber-updates": "always: there is no session in memory",
    "edit-note": "a note that does not exist",
    "delete-note": "a note that does not exist",
    "gzip-file-as-resource": "a URI of another scheme than data:",
    "trigger-url-elicitation": "a URL of another scheme than http, or error -32042",
    "add": "a sum beyond the range of numbers",
}
"""Tools that may answer a call with a failure though their schema allows it, and when."""

ALWAYS = {name for name, when in FAILS.items() if when.startswith("always")}
NEVER_WHEN_LEAST = set(FAILS) - ALWAYS - {"edit-note", "delete-note"}
"""Those that do not fail when they get nothing but what they require."""

LONG = "ü" * 10_000
CODES = {INVALID_PARAMS, INVALID_REQUEST, RESOURCE_NOT_FOUND}


class Notes(Store):
    """Notes without a bound that a test would meet."""

    async def create(self, user, title, text):
        own = self.notes.setdefault(user, {})
        note = own[f"n{len(own)}"] = Note(len(own), f"n{len(own)}", title, text, datetime.now(UTC))
        return note


@asynccontextmanager
async def client_of(era, person=None):
    """A client that calls everything; with a user, one that declares every capability."""
    server = build_server(fixtures=True, note_store=Notes())
    options = person.callbacks if person else {}
    with signed_in("alice", "mcp", "mcp:admin"):
        async with Client(server, mode="auto" if era == MODERN else era, **options) as client:
            yield client


def examples(schema):
    """Values that a schema allows: each choice, both ends of a range, the shortest and the longest text."""
    candidates = [
        schema.get("default"),
        *schema.get("enum", []),
        *(schema.get(end) for end in ("minimum", "maximum")),
        *(0, 1, 1.5, -1, 2**53 + 1, -(2**63) - 1, 1e-7, 1e308, True, False, None),
        *("x" * length for length in (schema.get("minLength", 0), 1, schema.get("maxLength", 64))),
        *("ü😀\u2028", "null", '{"a": [1]}', "https://example.com/", "data:,x"),
        *(LONG[: schema.get("maxLength")],),
        *([], {}, ["x"]),
    ]
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    seen = []
    for value in candidates:
        if validator.is_valid(value) and not any(value is one or same(value, one) for one in seen):
            seen.append(value)
    return seen


def same(one, other):
    return type(one) is type(other) and one == other


def required(tool):
    """The minimal arguments of a tool: the simplest value for each required parameter."""
    properties = tool.input_schema.get("properties", {})
    least = {name: plainest(properties[name]) for name in tool.input_schema.get("required", ())}
    # Rules that are not of one parameter alone are met by hand.
    is_enough = Draft202012Validator(tool.input_schema).is_valid(least)
    return least if is_enough else CALLS[tool.name].arguments


def plainest(schema):
    return next(value for value in examples(schema) if value not in ("", None))


async def outcomes(era, person, calls, caplog):
    """The outcome of each call of each tool."""
    async with client_of(era, person) as client:
        for tool in (await client.list_tools()).tools:
            for arguments in calls(tool):
                code = 0
                try:
                    result = await client.call_tool(tool.name, arguments)
                    said, failed = text_of(result), bool(result.is_error)
                except MCPError as error:
                    said, failed, code = str(error), True, error.code
                crashed = code == INTERNAL_ERROR or any(r.levelname == "ERROR" for r in caplog.records)
                caplog.clear()
                yield Outcome(tool.name, arguments, said, failed, code, crashed and tool.name not in ALWAYS)


class Outcome(NamedTuple):
    tool: str
    arguments: dict[str, Any]
    said: str
    failed: bool
    code: int
    crashed: bool

    def __repr__(self):
        return f"{self.tool} {repr(self.arguments)[:300]}: {self.said[:300]}"


def played(*args):
    """All outcomes, without waiting."""

    async def collect():
        return [one async for one in outcomes(*args)]

    return run_without_waiting(collect())


def test_each_tool_serves_a_call_with_only_what_it_requires(era, caplog):
    found = played(era, Person(), lambda tool: [required(tool)], caplog)
    assert len(found) > 40
    assert [one for one in found if one.crashed] == []
    may_fail = FAILS.keys() - NEVER_WHEN_LEAST
    assert [one for one in found if one.failed and one.tool not in may_fail] == []


def test_each_tool_serves_a_form_that_is_sent_as_it_was_prefilled(era, caplog):
    def prefilled(tool):
        properties = tool.input_schema.get("properties", {})
        defaults = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
        yield {**required(tool), **defaults}

    found = played(era, Person(), prefilled, caplog)
    assert len(found) > 40
    assert [one for one in found if one.crashed] == []
    may_fail = FAILS.keys() - NEVER_WHEN_LEAST
    assert [one for one in found if one.failed and one.tool not in may_fail] == []


def test_each_tool_serves_the_extremes_of_its_schema(era, caplog):
    def extremes(tool):
        whole = Draft202012Validator(tool.input_schema)
        for name, schema in tool.input_schema.get("properties", {}).items():
            for value in examples({**schema, "$defs": tool.input_schema.get("$defs", {})}):
                if whole.is_valid(arguments := {**required(tool), name: value}):
                    yield arguments

    found = played(era, Person(), extremes, caplog)
    assert len(found) > 200
    assert [one for one in found if one.crashed] == []
    assert [one for one in found if one.failed and one.tool not in FAILS] == []
    assert [one for one in found if one.failed and len(one.said) > 2_000] == []


def test_a_client_without_capabilities_gets_a_result_or_is_told_what_it_lacks(era, caplog):
    found = played(era, None, lambda tool: [required(tool)], caplog)
    assert [one for one in found if one.crashed] == []
    lacking = [one for one in found if one.failed and one.tool not in ALWAYS and "note" not in one.tool]
    assert lacking
    assert [one for one in lacking if "did not declare" not in one.said] == []


def test_what_a_schema_forbids_is_refused_with_the_name_of_the_parameter(era, caplog):
    def mistakes(tool):
        least, schema = required(tool), Draft202012Validator(tool.input_schema)
        for name in tool.input_schema.get("properties", {}):
            for value in (*VALUES, 1e400, -1e400, 10**400, 2**70, "x" * 100_000):
                if not schema.is_valid(wrong := {**least, name: value}):
                    yield wrong
        for name in tool.input_schema.get("required", ()):
            yield {key: value for key, value in least.items() if key != name}

    def names_what_is_wrong(one):
        given = CALLS[one.tool].arguments or {}
        names = {*given, *one.arguments}
        return any(f"`{name}" in one.said for name in names)

    found = played(era, Person(), mistakes, caplog)
    assert len(found) > 200
    assert [one for one in found if one.crashed or not one.failed] == []
    assert [one for one in found if not names_what_is_wrong(one)] == []
    assert [one for one in found if "pydantic" in one.said or "validation error" in one.said] == []
    assert [one for one in found if len(one.said) > 500] == []


def test_an_unknown_argument_is_harmless(era, caplog):
    def surprises(tool):
        if tool.input_schema.get("additionalProperties") is not False:
            yield {**required(tool), "surprise": None}

    found = played(era, Person(), surprises, caplog)
    assert len(found) > 40
    assert [one for one in found if one.crashed or (one.failed and one.tool not in FAILS)] == []


async def values_of(client, ref, argument):
    """What is suggested for an argument of a prompt or a variable of a template; else a text."""
    completion = (await client.complete(ref, {"name": argument, "value": ""})).completion
    return completion.values or ["x"]


def test_each_prompt_is_made_from_what_is_suggested_for_it(era):
    async def play():
        async with client_of(era, Person()) as client:
            for prompt in (await client.list_prompts()).prompts:
                ref = PromptReference(name=prompt.name)
                choices = {
                    argument.name: await values_of(client, ref, argument.name)
                    for argument in prompt.arguments or []
                }
                needed = {a.name: choices[a.name][0] for a in prompt.arguments or [] if a.required}
                calls = [needed, *({**needed, name: v} for name, values in choices.items() for v in values)]
                for arguments in calls:
                    if not (await client.get_prompt(prompt.name, arguments)).messages:
                        yield prompt.name, arguments

    assert "\n".join(map(repr, run_without_waiting(collected(play())))) == ""


def test_each_prompt_answers_any_text_with_messages_or_a_clean_error(era, caplog):
    async def play():
        async with client_of(era, Person()) as client:
            for prompt in (await client.list_prompts()).prompts:
                names = [argument.name for argument in prompt.arguments or []]
                for value in ("", " ", "null", '{"a": 1}', "ü\u2028\0", "-1", "1e400", "9" * 5000, LONG):
                    for chosen in [names, *([name] for name in names)]:
                        try:
                            await client.get_prompt(prompt.name, dict.fromkeys(chosen, value))
                        except MCPError as error:
                            if error.code not in CODES or "pydantic" in error.message:
                                yield prompt.name, chosen, value[:99], error

    assert "\n".join(map(repr, run_without_waiting(collected(play())))) == ""
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_each_listed_resource_is_read(era):
    async def play():
        async with client_of(era) as client:
            cursor = None
            while True:
                page = await client.list_resources(cursor=cursor)
                for resource in page.resources:
                    if not (await client.read_resource(resource.uri)).contents:
                        yield resource.uri
                cursor = page.next_cursor
                if cursor is None:
                    return

    assert "\n".join(map(repr, run_without_waiting(collected(play())))) == ""


def test_each_template_is_read_with_any_value_or_names_what_is_not_there(era, caplog):
    odd = ["", "0", "a/b", "../../x", "%00", "%2e%2e%2f", "ü", "9" * 5000, "a" * 2_000, "{id}", "?x=1#y"]

    async def play():
        async with client_of(era) as client:
            for template in (await client.list_resource_templates()).resource_templates:
                pattern = template.uri_template
                names = [part.split("}")[0] for part in pattern.split("{")[1:]]
                ref = ResourceTemplateReference(uri=pattern)
                suggested = {name: await values_of(client, ref, name) for name in names}
                for name, value in itertools.product(names, odd):
                    uri = pattern
                    for other in names:
                        uri = uri.replace(f"{{{other}}}", value if other == name else suggested[other][0])
                    try:
                        await client.read_resource(uri)
                    except MCPError as error:
                        if error.code not in {RESOURCE_NOT_FOUND, INVALID_PARAMS} or error.data != {
                            "uri": uri
                        }:
                            yield uri, error

    assert "\n".join(map(repr, run_without_waiting(collected(play())))) == ""
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_each_argument_can_be_completed_from_any_start(era):
    async def play():
        async with client_of(era) as client:
            refs = [
                (PromptReference(name=prompt.name), [argument.name for argument in prompt.arguments or []])
                for prompt in (await client.list_prompts()).prompts
            ]
            refs += [
                (
                    ResourceTemplateReference(uri=template.uri_template),
                    [part.split("}")[0] for part in template.uri_template.split("{")[1:]],
                )
                for template in (await client.list_resource_templates()).resource_templates
            ]
            for ref, names in refs:
                for name, start in itertools.product([*names, "unknown"], ["", "1", "ü", LONG]):
                    completion = (await client.complete(ref, {"name": name, "value": start})).completion
                    if len(completion.values) > 100 or not all(
                        v.startswith(start) for v in completion.values
                    ):
                        yield ref, name, start[:99]

    assert "\n".join(map(repr, run_without_waiting(collected(play())))) == ""


async def collected(found):
    return [one async for one in found]
