import assert from "node:assert/strict";
import { test } from "node:test";

import { diagramOf } from "../../../everything_site/workbench/static/workbench/wire/diagram_model.js";
import { Recording } from "../../../everything_site/workbench/static/workbench/wire/recording.js";

function recording() {
  let now = 0;
  const made = new Recording({ now: () => now });
  return { made, pass: (seconds) => (now += seconds * 1000) };
}

const post = (made, message) => made.begin({ request: { method: "POST", path: "/mcp", body: JSON.stringify({ jsonrpc: "2.0", ...message }) } });
const stream = (process) => ({ status: 200, headers: { "content-type": "text/event-stream", "x-served-by": process } });

test("a call cut at one process and resumed at another has both, a bar for each stream, and its silence collapsed", () => {
  const { made, pass } = recording();
  const call = post(made, { id: 1, method: "tools/call", params: { name: "longRunningOperation" } });
  call.respond(stream("p1"));
  pass(1);
  call.event({ id: "s-1", data: JSON.stringify({ jsonrpc: "2.0", method: "notifications/progress", params: { progress: 1, total: 2 } }) });
  call.mark("Cut by you.", "cut");
  call.end({ cut: true });
  made.room.push({ at: 1.2, type: "process.gone", process: "p1" });
  pass(9.8);
  const resumed = made.begin({ request: { method: "GET", path: "/mcp", headers: { "Last-Event-ID": "s-1" } } });
  resumed.respond(stream("p2"));
  resumed.event({ id: "s-2", data: JSON.stringify({ jsonrpc: "2.0", id: 1, result: {} }) });
  const { lifelines, rows, bars, ends } = diagramOf(made);
  assert.deepEqual(lifelines.map(({ name }) => name), ["Client", "p1", "p2"]);
  assert.deepEqual(rows.map(({ kind, label }) => `${kind} ${label}`), [
    "arrow tools/call longRunningOperation",
    "arrow progress 1/2",
    "note Cut by you.",
    "note p1 is gone",
    "gap ⋯ 9.6 s",
    "arrow GET resume from s-1",
    "arrow result",
  ]);
  assert.deepEqual(bars.map(({ lifeline }) => lifeline), ["p1", "p2"]);
  assert.deepEqual(ends, [{ lifeline: "p1", row: 3 }]);
  assert.equal(rows[1].spoken, "p1 to Client, event, progress 1/2, 1.0 seconds");
  assert.equal(rows[1].line, "dashed");
  assert.equal(rows[2].spoken, "Cut by you, 1.0 seconds");
});

test("a handshake is one row, and only those who act have a lifeline", () => {
  const { made } = recording();
  const opened = post(made, { id: 0, method: "initialize" });
  opened.respond({ status: 200, headers: {} });
  opened.body(JSON.stringify({ jsonrpc: "2.0", id: 0, result: {} }));
  post(made, { method: "notifications/initialized" }).respond({ status: 202, headers: {} });
  const listed = post(made, { id: 1, method: "no/such" });
  listed.respond({ status: 404, headers: {} });
  listed.body(JSON.stringify({ jsonrpc: "2.0", id: 1, error: { code: -32601, message: "no" } }));
  const { lifelines, rows } = diagramOf(made);
  assert.deepEqual(lifelines.map(({ id }) => id), ["client", "server"]);
  assert.deepEqual(rows.map(({ kind, label, tone }) => [kind, label, tone]), [
    ["fold", "Session opened", "muted"],
    ["arrow", "no/such", "request"],
    ["arrow", "404 error -32601", "error"],
  ]);
});

test("a sign-in shows the person and the authorization server", () => {
  const { made } = recording();
  made.begin({ request: { method: "GET", path: "/authorize?x=1" }, to: "authorization server" }).respond({ status: 302, headers: {} });
  made.begin({ request: { method: "GET", path: "/callback?code=1" }, from: "person", to: "client" });
  const { lifelines, rows } = diagramOf(made);
  assert.deepEqual(lifelines.map(({ name }) => name), ["Person", "Client", "Authorization server"]);
  assert.equal(rows[1].label, "302 redirect");
});
