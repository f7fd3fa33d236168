import assert from "node:assert/strict";
import { test } from "node:test";

import { curl, eventText, har, python } from "../../../everything_site/workbench/static/workbench/wire/exports.js";
import { Recording } from "../../../everything_site/workbench/static/workbench/wire/recording.js";

const origin = "http://localhost:3232";
const TOKEN = "planted-token-1234";

function recorded(message, { headers = {}, status = 200, ...more } = {}) {
  const recording = new Recording();
  const body = typeof message === "string" ? message : JSON.stringify({ jsonrpc: "2.0", ...message });
  const exchange = recording.begin({
    request: { method: "POST", path: "/mcp", headers: { Authorization: `Bearer ${TOKEN}`, Accept: "application/json", Host: "localhost", ...headers }, body },
    ...more,
  });
  exchange.respond({ status, headers: { "content-type": "application/json" } });
  return exchange;
}

test("a curl line reads the token from the environment and quotes what a shell would read", () => {
  const line = curl(recorded({ id: 1, method: "tools/call", params: { name: "echo", arguments: { message: "it's $HOME `x` \\" } } }), { origin });
  assert.match(line, /^curl -i 'http:\/\/localhost:3232\/mcp'/);
  assert.match(line, /-H "Authorization: Bearer \$MCP_TOKEN"/);
  assert.match(line, /it'\\''s \$HOME `x`/);
  assert.doesNotMatch(line, /planted|Host/);
});

test("a curl line for a stream does not buffer, and one without a body names its method where it has to", () => {
  const recording = new Recording();
  const listening = recording.begin({ request: { method: "GET", path: "/mcp", headers: { Accept: "text/event-stream" } } });
  assert.match(curl(listening, { origin }), /^curl -N 'http/);
  assert.match(curl(recording.begin({ request: { method: "DELETE", path: "/mcp" } }), { origin }), /-X DELETE/);
  assert.match(curl(recording.begin({ request: { method: "POST", path: "/mcp" } }), { origin }), /-X POST/);
});

test("an ordinary call becomes a call of the SDK at its revision", () => {
  const call = { id: 1, method: "tools/call", params: { name: "add", arguments: { a: 2, b: true, c: null, d: ["é"] }, _meta: { progressToken: 1 } } };
  const modern = python(recorded(call, { headers: { "MCP-Protocol-Version": "2026-07-28" } }), { origin });
  assert.match(modern, /client\.call_tool\("add", \{"a": 2, "b": True, "c": None, "d": \["é"\]\}\)/);
  assert.match(modern, /mode="2026-07-28"/);
  assert.match(python(recorded(call, { revision: "2025-06-18" }), { origin }), /mode="legacy"/);
  assert.doesNotMatch(modern, /planted/);
});

test("what no client would send goes out byte for byte", () => {
  const broken = [
    recorded("{not json"),
    recorded({ id: 1, method: "tools/call", params: { name: "add", extra: 1 } }),
    recorded({ id: 1, method: "no/such/method" }),
    recorded('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":9007199254740993}}}'),
    recorded({ id: 1, method: "tools/list" }, { status: 400 }),
    recorded({ method: "tools/list" }),
  ];
  for (const exchange of broken) {
    const text = python(exchange, { origin });
    assert.match(text, /httpx2\.stream\("POST"/);
    assert.ok(text.includes(JSON.stringify(exchange.request.body)), text);
    assert.match(text, /"Bearer " \+ os\.environ\["MCP_TOKEN"\]/);
    assert.doesNotMatch(text, /planted/);
  }
});

test("secrets of a sign-in are in no export unless they are asked for", () => {
  const recording = new Recording();
  const exchange = recording.begin({
    request: { method: "POST", path: "/token", headers: { Authorization: "Basic cGxhbnRlZC1iYXNpYw==" }, body: "code=planted-code&code_verifier=planted-verifier&client_id=c" },
  });
  exchange.respond({ status: 200, headers: {} });
  exchange.body('{"access_token":"planted-access"}');
  for (const text of [curl(exchange, { origin }), python(exchange, { origin }), JSON.stringify(har(recording, { origin }))]) {
    assert.doesNotMatch(text, /planted|cGxhbnRlZC1iYXNpYw/);
  }
  assert.match(JSON.stringify(har(recording, { origin, secrets: true })), /planted-access/);
});

test("a HAR has each event with its time, and all of them as the content", () => {
  let now = Date.UTC(2026, 10, 27);
  const recording = new Recording({ now: () => now });
  const exchange = recording.begin({ request: { method: "GET", path: "/mcp?a=b%20c" } });
  now += 20;
  exchange.respond({ status: 200, headers: { "Content-Type": "text/event-stream" } });
  now += 1000;
  exchange.event({ id: "1", event: "message", data: "a\nb" });
  exchange.event({ comment: "keep-alive" });
  exchange.end();
  const [entry] = har(recording, { origin }).log.entries;
  assert.equal(entry.startedDateTime, "2026-11-27T00:00:00.000Z");
  assert.deepEqual(entry.timings, { send: 0, wait: 20, receive: 1000 });
  assert.equal(entry.time, 1020);
  assert.deepEqual(entry.request.queryString, [{ name: "a", value: "b c" }]);
  assert.equal(entry.response.content.text, "id: 1\nevent: message\ndata: a\ndata: b\n\n: keep-alive\n\n");
  assert.equal(entry.response.content.text, eventText(exchange.response.events));
  assert.equal(entry._events[0].time, "2026-11-27T00:00:01.020Z");
});

test("a call of the SDK has no secrets either", () => {
  const call = { id: 1, method: "tools/call", params: { name: "echo", arguments: { password: "planted-password" } } };
  assert.match(python(recorded(call), { origin }), /call_tool\("echo", \{"password": "\[PASSWORD\]"\}\)/);
  assert.match(python(recorded(call), { origin, secrets: true }), /planted-password/);
});

test("a method with the name of a member that every object has goes out byte for byte", () => {
  for (const method of ["constructor", "toString", "__proto__"]) assert.match(python(recorded({ id: 1, method }), { origin }), /httpx2\.stream/);
});

test("curl requests one URL, whatever brackets it has, and a shell runs nothing of the line", () => {
  const line = curl(new Recording().begin({ request: { method: "`id`", path: "/mcp?x=[1-9999]&y={a,b}&z='$(id)" } }), { origin });
  assert.equal(line, "curl -i --globoff -X '`id`' 'http://localhost:3232/mcp?x=[1-9999]&y={a,b}&z='\\''$(id)'");
});
