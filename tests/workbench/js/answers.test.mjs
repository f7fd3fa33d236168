import assert from "node:assert/strict";
import { test } from "node:test";

import { Preferences, REFUSAL, argumentsFrom, echo, hasToolResult, useTool } from "../../../everything_site/workbench/static/workbench/questions/answers.js";

const tools = [{ name: "multiply", inputSchema: { type: "object", properties: { a: { type: "number" }, b: { type: "integer" }, mode: { type: "string", default: "fast" } } } }];
const ask = { messages: [{ role: "user", content: { type: "text", text: "What is 6 times -7.5?" } }], tools };

test("an echo says what was said last, whatever its form", () => {
  assert.deepEqual(echo(ask), { role: "assistant", content: { type: "text", text: "What is 6 times -7.5?" }, model: "nobody (the workbench answers)", stopReason: "endTurn" });
  assert.equal(echo({ messages: [{ role: "user", content: [{ type: "text", text: "a" }, { type: "image", data: "" }] }] }).content.text, "a\n[image]");
  assert.equal(echo({}).content.text, "");
});

test("a tool is used with arguments from the conversation, and then its result is reported", () => {
  const first = useTool(ask);
  assert.equal(first.stopReason, "toolUse");
  assert.deepEqual(first.content, [{ type: "tool_use", id: "call-1", name: "multiply", input: { a: 6, b: -7, mode: "fast" } }]);
  const outcome = { role: "user", content: [{ type: "tool_result", toolUseId: "call-1", content: [{ type: "text", text: "-45" }] }] };
  const second = { ...ask, messages: [...ask.messages, { role: "assistant", content: first.content }, outcome] };
  assert.ok(hasToolResult(second));
  assert.equal(useTool(second).content.text, "The tool says: -45");
  assert.deepEqual(argumentsFrom({ properties: { e: { enum: [3, 4] }, s: { type: "string" }, f: { type: "boolean" } } }, "x"), { e: 3, s: "x", f: true });
});

test("rules answer without a person, are remembered, and survive a store that holds nonsense", () => {
  const items = new Map();
  const storage = { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => items.set(key, value) };
  const first = new Preferences(storage);
  assert.equal(first.automatic({ kind: "sampling", params: ask }), undefined);
  first.set({ sampling: "refuse", roots: "send", rootList: [{ uri: "file:///x" }] });
  const again = new Preferences(storage);
  assert.throws(() => again.automatic({ kind: "sampling", params: ask }), { code: REFUSAL.code });
  assert.deepEqual(again.automatic({ kind: "roots", params: {} }), { roots: [{ uri: "file:///x" }] });
  assert.equal(again.automatic({ kind: "elicitation-form", params: {} }), undefined);
  for (const nonsense of ["{", "null", '{"sampling":"sell","rootList":[1,{"uri":5}]}']) {
    const other = new Preferences({ getItem: () => nonsense });
    assert.equal(other.sampling, "ask");
  }
  new Preferences(undefined).set({ sampling: "echo" });
});
