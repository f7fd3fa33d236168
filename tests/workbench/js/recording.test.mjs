import assert from "node:assert/strict";
import { test } from "node:test";

import { Recording, VERSION, header } from "../../../everything_site/workbench/static/workbench/wire/recording.js";

function clock(start = 1_000_000) {
  const state = { now: start };
  return { now: () => state.now, pass: (seconds) => (state.now += seconds * 1000) };
}

const call = (id, name, more = {}) => ({
  method: "POST",
  path: "/mcp",
  headers: { Accept: "application/json, text/event-stream", Authorization: "Bearer planted-token-1234" },
  body: JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params: { name, ...more } }),
});

const streamed = { status: 200, headers: { "Content-Type": "text/event-stream", "X-Served-By": "p2" } };

test("an exchange is recorded as it happens, with the moment of each part", () => {
  const time = clock();
  const recording = new Recording({ now: time.now });
  const changes = [];
  recording.addEventListener("change", ({ detail }) => changes.push(detail.kind));
  const exchange = recording.begin({ request: call(1, "longRunningOperation"), revision: "2025-11-25" });
  time.pass(0.5);
  exchange.respond(streamed);
  time.pass(1.25);
  exchange.event({ id: "s-1", event: "message", data: "{}" });
  exchange.end();
  assert.equal(exchange.response.at, 0.5);
  assert.equal(exchange.response.events[0].at, 1.75);
  assert.equal(exchange.endedAt, 1.75);
  assert.equal(exchange.servedBy, "p2");
  assert.equal(exchange.lane, "Calls");
  assert.deepEqual(changes, ["begin", "response", "event", "end"]);
});

test("headers may be given in any form, and are kept as pairs in their order", () => {
  const recording = new Recording();
  for (const headers of [{ "X-A": "1", "x-b": 2 }, [["X-A", "1"], ["x-b", "2"]], new Headers({ "X-A": "1", "x-b": "2" })]) {
    const { request } = recording.begin({ request: { method: "GET", path: "/mcp", headers } });
    assert.equal(header(request.headers, "x-a"), "1");
    assert.equal(header(request.headers, "X-B"), "2");
    assert.equal(header(request.headers, "absent"), null);
  }
});

test("an answer belongs to the call on whose stream the question was asked", () => {
  const recording = new Recording();
  const asking = recording.begin({ request: call(1, "sampleLLM") });
  asking.respond(streamed);
  asking.event({ id: "e1", data: JSON.stringify({ jsonrpc: "2.0", id: "q7", method: "sampling/createMessage", params: {} }) });
  const body = JSON.stringify({ jsonrpc: "2.0", id: "q7", result: { role: "assistant" } });
  assert.equal(recording.begin({ request: { method: "POST", path: "/mcp", body } }).parent, asking.id);
});

test("a resumption belongs to the stream that broke, and a further round to the first", () => {
  const recording = new Recording();
  const broken = recording.begin({ request: call(1, "longRunningOperation") });
  broken.respond(streamed);
  broken.event({ id: "s-2", data: "" });
  broken.end({ cut: true });
  const resumed = recording.begin({ request: { method: "GET", path: "/mcp", headers: { "Last-Event-ID": "s-2" } } });
  assert.equal(resumed.parent, broken.id);
  assert.equal(resumed.lane, "Calls");

  const first = recording.begin({ request: call(2, "confirm_delete") });
  first.respond({ status: 200, headers: {} });
  first.body(JSON.stringify({ jsonrpc: "2.0", id: 2, result: { resultType: "input_required", inputRequests: {} } }));
  const second = recording.begin({ request: call(3, "confirm_delete", { inputResponses: { a: {} } }) });
  assert.equal(second.parent, first.id);
  assert.equal(recording.begin({ request: call(4, "confirm_delete") }).parent, null);
});

test("lanes follow from the request", () => {
  const recording = new Recording();
  const lane = (method, path, message, headers) =>
    recording.begin({ request: { method, path, headers, body: message && JSON.stringify({ jsonrpc: "2.0", ...message }) } }).lane;
  assert.equal(lane("GET", "/.well-known/oauth-protected-resource/mcp"), "Sign-in");
  assert.equal(lane("POST", "http://localhost:3232/token"), "Sign-in");
  assert.equal(lane("POST", "/mcp", { id: 0, method: "initialize" }), "Session");
  assert.equal(lane("POST", "/mcp", { method: "notifications/initialized" }), "Session");
  assert.equal(lane("DELETE", "/mcp"), "Session");
  assert.equal(lane("GET", "/mcp"), "Listening");
  assert.equal(lane("POST", "/mcp", { id: 1, method: "subscriptions/listen" }), "Listening");
  assert.equal(lane("POST", "/mcp", { id: 1, method: "tools/list" }), "Calls");
});

test("the oldest exchanges give way, those that ended first, and it says how many", () => {
  const recording = new Recording({ maxExchanges: 3 });
  const open = recording.begin({ request: { method: "GET", path: "/mcp" } });
  for (let id = 1; id <= 5; id += 1) recording.begin({ request: call(id, "add") }).end();
  assert.equal(recording.exchanges.length, 3);
  assert.equal(recording.dropped, 3);
  assert.equal(recording.exchanges[0], open);
  assert.equal(recording.find(2), null);
});

test("the size is bounded, too, also that of a stream which never ends", () => {
  const recording = new Recording({ maxBytes: 10_000 });
  for (let id = 1; id <= 4; id += 1) {
    const exchange = recording.begin({ request: call(id, "echo") });
    exchange.respond({ status: 200, headers: {} });
    exchange.body("x".repeat(4_000));
    exchange.end();
  }
  const held = recording.exchanges.reduce((sum, one) => sum + one.bytes, 0);
  assert.ok(held <= 10_000, `${held} bytes`);
  assert.equal(recording.exchanges.at(-1).request.body.includes('"id":4'), true);
});

test("a recording survives as JSON, goes on with its ids and its clock, and what was open is over", () => {
  const time = clock();
  const recording = new Recording({ now: time.now });
  const stream = recording.begin({ request: { method: "GET", path: "/mcp" } });
  stream.respond(streamed);
  time.pass(3);
  stream.event({ id: "x-0", retry: 500, data: "" });
  recording.mark("cut by you", { exchange: stream, kind: "cut" });
  const json = JSON.parse(JSON.stringify(recording));
  assert.equal(json.version, VERSION);
  time.pass(60);
  const again = Recording.fromJSON(json, { now: time.now });
  const [restored] = again.exchanges;
  assert.deepEqual(JSON.parse(JSON.stringify({ ...restored.toJSON(), endedAt: null, cut: false })), json.exchanges[0]);
  assert.equal(restored.isOpen, false);
  assert.equal(restored.endedAt, 3);
  const next = again.begin({ request: { method: "GET", path: "/mcp", headers: { "Last-Event-ID": "x-0" } } });
  assert.equal(next.at, 63);
  assert.equal(next.id, 2);
  assert.equal(next.parent, restored.id);
  assert.throws(() => Recording.fromJSON({ version: 2, exchanges: [] }), /version 2/);
});

test("a masked recording holds no secret, wherever it was echoed", () => {
  const recording = new Recording();
  const token = recording.begin({
    request: { method: "POST", path: "/token", body: "grant_type=authorization_code&code=planted%2Fcode&code_verifier=planted-verifier" },
  });
  token.respond({ status: 200, headers: { "Set-Cookie": "session=planted-cookie; HttpOnly" } });
  token.body(JSON.stringify({ access_token: "planted-token-1234", refresh_token: "planted-refresh", scope: "mcp" }));
  recording.begin({ request: { method: "GET", path: "/try/callback?code=planted%2Fcode&state=abc" } });
  const echo = recording.begin({ request: call(1, "echo", { arguments: { message: "I hold planted-token-1234" } }) });
  echo.respond({ status: 200, headers: [["Content-Type", "text/event-stream"]] });
  echo.event({ data: JSON.stringify({ jsonrpc: "2.0", id: 1, result: { content: [{ type: "text", text: "planted-refresh" }] } }) });
  const masked = JSON.stringify(recording.masked());
  assert.doesNotMatch(masked, /planted/);
  assert.match(masked, /"Bearer •••"/);
  assert.match(masked, /I hold \[ACCESS-TOKEN\]/);
  assert.match(masked, /grant_type=authorization_code/);
  assert.match(JSON.stringify(recording), /planted-token-1234/);
});

test("a challenge has no secret, and stays readable", () => {
  const recording = new Recording();
  const exchange = recording.begin({ request: call(1, "echo") });
  const challenge = 'Bearer resource_metadata="https://mcp.example/prm", scope="mcp"';
  exchange.respond({ status: 401, headers: { "WWW-Authenticate": challenge } });
  assert.equal(header(recording.masked().exchanges[0].response.headers, "WWW-Authenticate"), challenge);
});
