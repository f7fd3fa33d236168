import assert from "node:assert/strict";
import { test } from "node:test";

import { lineDifference } from "../../../everything_site/workbench/static/workbench/wire/difference.js";
import { challenge, disagreements, eventTitle, forest, hasFailed, titleOf } from "../../../everything_site/workbench/static/workbench/protocol/messages.js";
import { Recording } from "../../../everything_site/workbench/static/workbench/wire/recording.js";
import { matches } from "../../../everything_site/workbench/static/workbench/wire/filter.js";

function post(recording, message, headers = {}) {
  const body = typeof message === "string" ? message : JSON.stringify(message);
  return recording.begin({ request: { method: "POST", path: "/mcp", headers, body } });
}

test("an exchange is named by its message", () => {
  const recording = new Recording();
  const title = (message, headers) => Object.values(titleOf(post(recording, message, headers))).join(" ");
  assert.equal(title({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "add" } }), "tools/call add");
  assert.equal(title({ jsonrpc: "2.0", id: 1, result: {} }), "answer to 1");
  assert.equal(title([{ jsonrpc: "2.0", id: 1, method: "ping" }, { jsonrpc: "2.0", id: 2, method: "tools/list" }]), "batch of 2 ping, tools/list");
  assert.equal(title("no json"), "POST /mcp");
  const resume = recording.begin({ request: { method: "GET", path: "/mcp", headers: { "Last-Event-ID": "a-1" } } });
  assert.deepEqual(titleOf(resume), { method: "GET resume", subject: "from a-1" });
});

test("events say what they are", () => {
  const data = (message) => ({ at: 0, data: JSON.stringify({ jsonrpc: "2.0", ...message }) });
  const progress = data({ method: "notifications/progress", params: { progress: 2, total: 6, message: "tea" } });
  assert.equal(eventTitle(progress).label, "progress 2/6 · tea");
  assert.deepEqual(eventTitle(data({ id: 1, method: "sampling/createMessage" })), { label: "sampling/createMessage", tone: "question" });
  assert.equal(eventTitle(data({ id: 1, result: { isError: true } })).tone, "error");
  assert.equal(eventTitle({ at: 0, id: "x-0", data: "" }).label, "priming event");
  assert.equal(eventTitle({ at: 0, comment: "keep-alive" }).tone, "muted");
  assert.equal(eventTitle({ at: 0, event: "endpoint", data: "/message?x=1" }).label, "endpoint /message?x=1");
});

test("a header that disagrees with the body is found, one that agrees is not", () => {
  const recording = new Recording();
  const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "echo" } };
  const exchange = post(recording, message, { "Mcp-Method": "tools/call", "Mcp-Name": "add" });
  assert.deepEqual(disagreements(exchange), [{ name: "mcp-name", header: "add", body: "echo" }]);
});

test("a challenge is taken apart, with its quoted commas", () => {
  const { scheme, parameters } = challenge('Bearer error="insufficient_scope", scope="mcp mcp:admin", error_description="a, \\"b\\"", max_age=60');
  assert.equal(scheme, "Bearer");
  assert.deepEqual(parameters, [["error", "insufficient_scope"], ["scope", "mcp mcp:admin"], ["error_description", 'a, "b"'], ["max_age", "60"]]);
});

test("answers stand beneath their call; an exchange whose parent was dropped stands alone", () => {
  const recording = new Recording();
  const call = post(recording, { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "add" } });
  const answer = recording.begin({ request: { method: "POST", path: "/mcp" }, parent: call });
  const orphan = recording.begin({ request: { method: "POST", path: "/mcp" }, parent: 99 });
  const shape = (nodes) => nodes.map(({ exchange, children }) => [exchange.id, shape(children)]);
  assert.deepEqual(shape(forest(recording.exchanges)), [[call.id, [[answer.id, []]]], [orphan.id, []]]);
});

test("a filter looks at text, lane, kind, process and errors", () => {
  const recording = new Recording();
  const call = post(recording, { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "add" } });
  call.respond({ status: 404, headers: { "X-Served-By": "p2" } });
  assert.ok(hasFailed(call));
  for (const filter of [{}, { text: "ADD" }, { lane: "Calls" }, { kind: "requests" }, { process: "p2" }, { errors: true }, { text: "404" }]) {
    assert.ok(matches(call, filter), JSON.stringify(filter));
  }
  for (const filter of [{ text: "subtract" }, { lane: "Session" }, { kind: "streams" }, { process: "p1" }]) {
    assert.ok(!matches(call, filter), JSON.stringify(filter));
  }
});

test("lines that differ stand beside each other", () => {
  assert.deepEqual(lineDifference(["a", "b", "c"], ["a", "x", "c", "d"]), [["a", "a"], ["b", "x"], ["c", "c"], [null, "d"]]);
  assert.deepEqual(lineDifference([], ["a"]), [[null, "a"]]);
});
