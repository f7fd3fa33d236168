"""The workbench's forms, results, questions and apps, used by keyboard in Chromium under the policy of /try.

With SCREENSHOTS=FOLDER in the environment, screenshots of the components are stored there.
"""

from __future__ import annotations

import base64
import json
import os
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from everything_site.demo.mcp_apps import hello_world
from tests.support import chromium
from tests.support.chromium import ENTER, TAB, Chromium, Scheme
from tests.workbench.components import FOLDER, components

pytestmark = [
    pytest.mark.processes,
    pytest.mark.browser,
    pytest.mark.skipif(chromium.missing() is not None, reason=chromium.missing() or ""),
]

DOWN = "\ue015"

FORM = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Where", "minLength": 2},
        "number": {"type": "number", "maximum": 10},
        "note": {"type": ["string", "null"]},
        "on": {"type": "boolean"},
        "tree": {
            "type": "object",
            "properties": {"depth": {"type": "object", "properties": {"leaf": {"type": "integer"}}}},
        },
    },
    "required": ["city"],
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with components() as url:
        yield url


@pytest.fixture(scope="module")
def window(one_browser: Chromium) -> Iterator[Chromium]:
    one_browser.renew()
    yield one_browser
    one_browser.rest()


class Stage:
    """The page of `components/page.js` in a browser."""

    def __init__(self, browser: Chromium) -> None:
        self.browser = browser

    def __call__(self, script: str, *arguments: Any) -> Any:
        """Evaluate a script, in which `$1`, `$2` … stand for JSON values."""
        for number, argument in enumerate(arguments, start=1):
            script = script.replace(f"${number}", json.dumps(argument))
        answer = self.browser.devtools(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, script: str, wanted: Any = True) -> None:
        """Wait until a script has a value."""
        deadline = time.monotonic() + chromium.PATIENCE
        while (found := self(script)) != wanted:
            assert time.monotonic() < deadline, f"{script} is {found!r}, not {wanted!r}"

    def type(self, text: str) -> None:
        self.browser.press(*text)

    def press_with_control(self, key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            self.browser.devtools(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, modifiers=2
            )


@pytest.fixture
def stage(window: Chromium, address: str) -> Iterator[Stage]:
    window.open(address)
    window.wait_for_title("Ready")
    stage = Stage(window)
    yield stage
    assert stage("stage.said.violations") == []


def test_a_form_is_filled_in_and_sent_by_keyboard_and_its_value_is_what_was_typed(stage: Stage) -> None:
    stage("stage.form($1)", FORM)
    stage.browser.tab_to("city")
    stage.type("Bern")
    stage.browser.tab_to("number")
    stage.type("1.0")
    stage.press_with_control("Enter", 13)
    assert stage("stage.said.ran") == [['{"city":"Bern","number":1.0}', 0]]


def test_absent_empty_and_null_are_three_values_and_each_is_said(stage: Stage) -> None:
    state = "document.querySelectorAll('.field')[2].querySelector('.field-state').textContent"
    stage("stage.form($1)", {**FORM, "required": []})
    assert stage("stage.value()") == "{}"
    assert stage(state) == "not sent"
    stage.browser.tab_to("send empty (note)")
    stage.browser.press(ENTER)
    assert (stage("stage.value()"), stage(state)) == ('{"note":""}', "empty text is sent")
    stage.browser.press(TAB)
    stage("document.querySelectorAll('.field')[2].querySelectorAll('button')[1].focus()")
    stage.browser.press(ENTER)
    assert (stage("stage.value()"), stage(state)) == ('{"note":null}', "null is sent")
    assert stage.browser.focused == "note"


def test_a_wrong_value_is_said_on_leaving_then_in_a_summary_and_can_be_sent_anyway(stage: Stage) -> None:
    error = "document.querySelector('.field-error:not([hidden])')?.textContent ?? ''"
    stage("stage.form($1)", FORM)
    stage.browser.tab_to("city")
    stage.type("B")
    assert stage(error) == ""
    stage.browser.tab_to("number")
    assert stage(error) == "This needs at least 2 characters."
    described = stage("document.querySelector('input').getAttribute('aria-describedby')")
    assert stage(error) in stage(
        "$1.split(' ').map((id) => document.getElementById(id).textContent).join('|')", described
    )
    stage.type("1e400")
    stage.press_with_control("Enter", 13)
    assert stage("document.activeElement.className") == "form-summary"
    assert "2 things do not match the schema" in stage("document.activeElement.textContent")
    assert stage("stage.said.ran") == []
    stage.browser.tab_to("Send anyway")
    stage.browser.press(ENTER)
    assert stage("stage.said.ran") == [['{"city":"B","number":1e400}', 2]]


def test_the_same_value_is_edited_as_json_and_as_a_form(stage: Stage) -> None:
    value = {"city": "Bern", "tree": {"depth": {"leaf": 7}}, "on": False}
    stage("stage.form($1, $2)", FORM, value)
    stage("document.querySelector('es-form').mode = 'json'")
    assert json.loads(stage("stage.value()")) == value
    stage(
        "document.querySelector('textarea.whole').value = $1", '{"city": "Rome", "number": "ten"\n "on": 1}'
    )
    stage("document.querySelector('es-form').submit()")
    assert "Line 2, column 2: expected “,”" in stage("document.activeElement.textContent")
    assert stage("stage.said.ran") == []
    odd = '{"city":["Rome"],"number":"ten","on":true,"more":9007199254740993}'
    stage("document.querySelector('textarea.whole').value = $1", odd)
    stage("document.querySelector('es-form').mode = 'form'")
    assert stage("stage.value()") == odd  # what fits no control is kept as JSON


ANY_SCHEMA: list[Any] = [
    True,
    {"type": "string"},
    {"type": "string", "format": "date-time"},
    {"type": ["integer", "null"]},
    {"type": "boolean"},
    {"enum": ["5", 5, None, True]},
    {"enum": list(range(20))},
    {"type": "array", "items": {"enum": ["a", "b"]}},
    {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "number"}},
    {"type": "object", "properties": {"a": {"type": "integer"}}},
    {"type": "object", "additionalProperties": {"type": "string"}},
    {"oneOf": [{"type": "string"}, {"type": "object", "properties": {"a": {"const": 1}}}]},
    {"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "properties": {"a": {"$ref": "#/$defs/t"}}}}},
]
ANY_VALUE = ["null", "0", "1.0", "1e400", '""', '"5"', '"a\\nb"', "true", "[]", '["b","a"]', '[["a"],null]']
ANY_VALUE += ["{}", '{"a":1}', '{"a":{"a":{}},"b":""}', '"2026-07-28T12:00:00.50+02:00"', "9007199254740993"]


@pytest.mark.parametrize("schema", ANY_SCHEMA, ids=str)
def test_a_form_gives_back_each_value_that_it_was_given_whatever_its_schema(
    stage: Stage, schema: Any
) -> None:
    for value in ANY_VALUE:
        stage(f"stage.form($1, stage.parse({json.dumps(value)}))", schema)
        assert stage("stage.value()") == value


def test_suggestions_come_after_typing_and_are_taken_by_keyboard(stage: Stage) -> None:
    stage("stage.form($1, undefined, $2)", FORM, ["Bern", "Berlin", "Rome"])
    stage.browser.tab_to("city")
    stage.type("Be")
    stage.wait_for("document.querySelectorAll('[role=option]').length", 2)
    assert stage("stage.said.calls.at(-1)") == ["city", "Be", {}]
    stage.browser.press(DOWN, DOWN, ENTER)
    assert stage("stage.value()") == '{"city":"Berlin"}'
    assert stage("stage.said.ran") == []


def test_rows_are_added_moved_and_removed_by_keyboard_and_the_focus_stays_among_them(stage: Stage) -> None:
    names = {"type": "array", "items": {"type": "string"}, "maxItems": 2}
    stage("stage.form($1)", {"type": "object", "properties": {"names": names}, "required": ["names"]})
    stage.browser.tab_to("add items (names)")
    stage.browser.press(ENTER)
    stage.type("Ada")
    stage.browser.tab_to("Add an item")
    stage.browser.press(ENTER)
    stage.type("Grace")
    assert stage("stage.value()") == '{"names":["Ada","Grace"]}'
    assert stage("document.querySelector('.nested > .field-action').hidden") is True
    stage.browser.tab_to("Move up item 2")
    stage.browser.press(ENTER)
    assert stage("stage.value()") == '{"names":["Grace","Ada"]}'
    assert stage.browser.focused == "Move down item 1"
    stage.browser.tab_to("Remove item 1")
    stage.browser.press(ENTER)
    assert stage("stage.value()") == '{"names":["Ada"]}'
    assert stage.browser.focused == "Remove item 1"


def question(number: int, kind: str, params: dict[str, Any], call: Any = None) -> dict[str, Any]:
    return {"id": number, "kind": kind, "params": params, "call": call}


def test_a_question_takes_no_focus_is_counted_and_gives_the_focus_back(stage: Stage) -> None:
    stage("stage.questions()")
    stage("document.querySelector('h1').tabIndex = 0; document.querySelector('h1').focus()")
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    call = {"params": {"name": "greet"}}
    form = question(1, "elicitation-form", {"message": "Who are you?", "requestedSchema": schema}, call)
    tools = [
        {
            "name": "multiply",
            "inputSchema": {"properties": {"a": {"type": "number"}, "b": {"type": "number"}}},
        }
    ]
    turn = {"role": "user", "content": {"type": "text", "text": "6 times 7"}}
    sampling = question(2, "sampling", {"messages": [turn], "tools": tools, "maxTokens": 9}, call)
    stage("stage.questions($1, $2)", form, sampling)
    assert stage("document.activeElement.tagName") == "H1"
    assert stage.browser.title.startswith("(2) ")
    assert "asks" in stage("document.querySelector('es-questions [role=status]').textContent")
    stage.browser.tab_to("name")
    stage.type("Ada")
    stage.browser.tab_to("Accept")
    stage.browser.press(ENTER)
    stage.wait_for("stage.said.answers.length", 1)
    assert stage("stage.said.answers[0]") == [1, {"action": "accept", "content": {"name": "Ada"}}]
    assert stage("document.activeElement.tagName") == "H1"
    stage.browser.tab_to("Use multiply")
    stage.browser.press(ENTER)
    stage.wait_for("stage.said.answers.length", 2)
    assert stage("stage.said.answers[1][1].content[0].input") == {"a": 6, "b": 7}
    assert not stage.browser.title.startswith("(")


def test_a_question_that_was_withdrawn_leaves_by_itself_and_questions_can_be_folded(stage: Stage) -> None:
    dock = "document.querySelector('es-questions')"
    page = {"message": "Visit", "url": "https://bank.example/"}
    stage(
        "stage.questions($1, $2)", question(1, "elicitation-url", page), question(2, "elicitation-url", page)
    )
    stage(f"{dock}.leaveAfter = 0; {dock}.withdraw(1, 'The call was cancelled.')")
    stage.wait_for(f"{dock}.querySelectorAll('.question').length", 1)
    fold = f"{dock}.querySelector('.questions-fold')"
    list_is_shown = f"{dock}.querySelector('.questions-list').checkVisibility()"
    stage(f"{fold}.click()")
    assert stage(list_is_shown) is False
    assert stage(f"{fold}.getAttribute('aria-expanded')") == "false"
    stage("stage.questions($1)", question(3, "elicitation-url", page))
    assert stage(list_is_shown) is True, "a new question is shown"


def test_a_page_to_visit_is_never_opened_by_itself_and_a_withdrawn_question_says_why(stage: Stage) -> None:
    visit = {"message": "Visit", "url": "https://bank.example/login?next=/", "elicitationId": "e1"}
    script = {"message": "Run", "url": "javascript:alert(1)"}
    stage(
        "stage.questions($1, $2)",
        question(1, "elicitation-url", visit),
        question(2, "elicitation-url", script),
    )
    assert stage("document.querySelector('.question-target strong').textContent") == "bank.example"
    assert stage("[...document.querySelectorAll('.question a')].map((link) => link.href)") == [visit["url"]]
    assert len(stage.browser.windows) == 1
    stage("document.querySelector('es-questions').withdraw(2, 'The call was cancelled.')")
    stage.wait_for("stage.said.answers[0]?.[1]", "Withdrawn")
    ended = stage("document.querySelector('[data-state=ended]').textContent")
    assert "Run" in stage("document.querySelector('s').textContent")
    assert "The call was cancelled." in ended
    stage.browser.tab_to("Accept without opening")
    stage.browser.press(ENTER)
    stage.wait_for("stage.said.answers.at(-1)", [1, {"action": "accept"}])
    assert "Waiting" in stage("document.querySelector('[data-state=waiting]').textContent")
    stage("document.querySelector('es-questions').completed('e1')")
    assert stage("document.querySelector('[data-state=waiting]')") is None


def png(size: int) -> str:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + bytes(3 * size) for _ in range(size)))
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    return base64.b64encode(b"".join(parts)).decode()


def test_results_are_shown_as_what_they_are_and_held_against_the_output_schema(stage: Stage) -> None:
    content = [
        {
            "type": "text",
            "text": "**bold** <img src=x onerror=alert(1)>",
            "annotations": {"audience": ["user"], "priority": 0.9},
        },
        {"type": "image", "mimeType": "image/png", "data": png(24)},
        {"type": "image", "mimeType": "image/png", "data": "%%%"},
        {"type": "resource_link", "uri": "demo://one", "name": "one"},
        {
            "type": "resource",
            "resource": {"uri": "demo://two", "blob": "AAEC", "mimeType": "application/octet-stream"},
        },
        {"type": "hologram", "depth": 3},
    ]
    tool = {"outputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}
    result = {"content": content, "structuredContent": {"n": "five"}, "isError": True}
    stage("stage.result($1, $2, $3)", result, tool, {"contents": [{"uri": "demo://one", "text": "read"}]})
    text = "document.getElementById('stage').textContent"
    assert "**bold** <img src=x" in stage(text)
    stage.wait_for(
        "document.querySelectorAll('figcaption')[0]?.textContent.startsWith('image/png · 24 \\u00d7 24 · ')"
    )
    shown = stage(text)
    for part in (
        "the model reads it",
        "priority 0.9",
        "not Base64",
        "00 01 02",
        "Unknown kind of content: hologram",
        "Does not match",
        "/n This must be a whole number.",
    ):
        assert part in shown
    stage.browser.tab_to("Read one")
    stage.browser.press(ENTER)
    stage.wait_for("document.querySelector('.resource-read').textContent.includes('read')")
    stage("stage.result($1, $2)", {"content": [], "structuredContent": {"n": 5}}, tool)
    assert "✓ Matches" in stage(text)
    stage("stage.error($1)", {"code": -32002, "message": "No such resource"})
    assert "Resource not found" in stage(text)
    assert "/specification/2025-11-25/server/resources" in stage("document.querySelector('#stage a').href")


def app_resource(html: str) -> dict[str, Any]:
    return {"contents": [{"uri": "ui://t/app.html", "mimeType": "text/html;profile=mcp-app", "text": html}]}


def test_an_app_runs_in_an_opaque_frame_and_reaches_the_server_through_its_host_alone(stage: Stage) -> None:
    tools = [{"name": "open"}, {"name": "hidden", "_meta": {"ui": {"visibility": ["model"]}}}]
    html = (FOLDER / "app.html").read_text()
    stage("stage.app($1, $2, { x: 1 }, { content: [] }, $3)", app_resource(html), tools[0], tools)
    stage.wait_for("stage.said.logged.length", 1)
    report = stage("stage.said.logged[0]")
    assert (report["reach"], report["fetched"]) == ("opaque", "blocked")
    assert stage("document.querySelector('iframe').style.height") == "333px"
    answers = {message["id"]: message for message in report["said"] if "id" in message}
    notified = [message["method"] for message in report["said"] if "method" in message]
    assert answers[1]["result"]["hostContext"]["theme"] in get_args(Scheme)
    assert notified == ["ui/notifications/tool-input", "ui/notifications/tool-result"]
    assert 2 not in answers  # until the person has decided
    assert stage("document.querySelector('.app-ask strong').textContent") == "example.com"
    assert answers[3]["error"]["message"] == "Invalid URL"
    assert "not visible to apps" in answers[4]["error"]["message"]
    assert answers[5]["result"] == {"content": []}
    assert stage("stage.said.calls") == [["open", {"a": 1}]]
    assert len(stage.browser.windows) == 1


def test_an_app_that_floods_its_host_is_stopped(stage: Stage) -> None:
    flood = """<script>
      const say = (more) => parent.postMessage({ jsonrpc: "2.0", ...more }, "*");
      const long = "x".repeat(1e6);
      say({ method: long, id: long, params: {} });
      say({ method: "ui/message", id: 1, params: { content: Array(1e5).fill({ type: "text", text: "y" }) } });
      const log = { method: "notifications/message", params: { data: "again" } };
      setInterval(() => { for (let i = 0; i < 1000; i++) say(log); }, 1);
    </script>"""
    stage("stage.app($1)", app_resource(flood))
    stage.wait_for("document.querySelector('.app-place [role=alert]') !== null")
    assert "was stopped" in stage("document.querySelector('.app-place').textContent")
    assert stage("document.querySelector('iframe')") is None
    assert stage("stage.said.calls") == []


def test_what_an_app_says_is_shown_in_part_if_it_is_long(stage: Stage) -> None:
    html = """<script>
      const long = "x".repeat(2e5);
      const say = (method, params, more) =>
        parent.postMessage({ jsonrpc: "2.0", method, params, ...more }, "*");
      say("notifications/message", { data: long });
      say("ui/message", { role: long, content: Array(1e3).fill({ type: "text", text: "y" }) }, { id: 1 });
      say("ui/open-link", { url: "https://example.com/" + long }, { id: long.slice(0, 5e4) });
      say("notifications/message", { data: "last" });
    </script>"""
    stage("stage.app($1)", app_resource(html))
    stage.wait_for("document.querySelector('.app-said')?.textContent.endsWith('last') === true")
    assert stage("document.querySelector('es-app-frame').textContent.length") < 10_000
    assert stage("document.querySelector('.app-ask').hidden") is True


def test_messages_of_an_app_that_are_too_large_are_dropped_with_a_note(stage: Stage) -> None:
    html = """<script>
      const say = (message) => parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
      const many = Array(1e5).fill({ type: "text", text: "lots" });
      say({ method: "notifications/message", params: { data: many } });
      say({ method: "ui/message", id: 7, params: { content: many } });
      addEventListener("message", ({ data }) => {
        if (data.id === 7) say({ method: "notifications/message", params: { data: data.error.message } });
      });
    </script>"""
    stage("stage.app($1)", app_resource(html))
    stage.wait_for("document.querySelector('.app-said')?.textContent.includes('was dropped') === true")
    assert stage("document.querySelector('.app-log').textContent.match(/was dropped/g).length") == 2
    assert "lots" not in stage("document.querySelector('es-app-frame').textContent")


def test_the_app_of_this_server_calls_its_tool_again_by_keyboard(stage: Stage) -> None:
    html = hello_world.PAGE.read_text(encoding="utf-8")
    result = {"content": [], "structuredContent": {"greeting": "Hello from a test"}}
    stage("stage.app($1, { name: 'mcp_apps_hello_world' }, {}, $2)", app_resource(html), result)
    stage.wait_for("document.querySelector('iframe').style.height !== ''")
    stage("document.querySelector('iframe').focus()")
    stage.browser.press(TAB, ENTER)
    stage.wait_for("stage.said.calls", [["mcp_apps_hello_world", {}]])


def test_the_frame_has_a_policy_of_its_own_and_only_this_site_may_frame_it(client: Any) -> None:
    response = client.get("/try/frame")
    policy = response["Content-Security-Policy"]
    assert "sandbox allow-scripts allow-forms;" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "http" not in policy
    assert response["X-Frame-Options"] == "SAMEORIGIN"


SHOWN: dict[str, tuple[str, list[Any]]] = {
    "form": ("stage.form($1)", [FORM]),
    "questions": (
        "stage.questions($1)",
        [question(1, "elicitation-url", {"message": "Visit", "url": "https://bank.example/a/long/path"})],
    ),
    "result": (
        "stage.result($1)",
        [{"content": [{"type": "image", "mimeType": "image/png", "data": png(24)}]}],
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_components_fit_into_narrow_windows_and_can_be_pictured(stage: Stage, name: str) -> None:
    script, arguments = SHOWN[name]
    for width in (1280, 390, 320):
        for scheme in get_args(Scheme):
            stage.browser.show_as(width, scheme)
            stage(script, *arguments)
            assert stage.browser.overflow <= 0, (name, width)
            if folder := os.environ.get("SCREENSHOTS"):
                (Path(folder) / f"{name}-{width}-{scheme}.png").write_bytes(stage.browser.picture())
