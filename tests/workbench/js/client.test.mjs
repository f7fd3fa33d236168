import assert from "node:assert/strict";
import { test } from "node:test";

import { StreamBudget } from "../../../everything_site/workbench/static/workbench/protocol/budget.js";
import { Client } from "../../../everything_site/workbench/static/workbench/protocol/client.js";
import { encoded, headersFor } from "../../../everything_site/workbench/static/workbench/protocol/headers.js";
import { Recording } from "../../../everything_site/workbench/static/workbench/wire/recording.js";
import { accepted, json, result, serve, stream } from "./server.mjs";

const SERVER = { serverInfo: { name: "s", version: "1" }, capabilities: {} };
const opened = (revision) => [result({ ...SERVER, protocolVersion: revision }, { "Mcp-Session-Id": "the-session" }), accepted];

async function connected(context, revision, handlers, options = {}) {
  const site = await serve(context, ...(revision === "2026-07-28" ? [result({ ...SERVER, resultType: "complete" })] : opened(revision)), ...handlers);
  const recording = new Recording();
  const client = new Client({ url: site.url, origin: site.origin, recording, token: () => "the-token", budget: new StreamBudget({ locks: null }), ...options });
  context.after(() => {
    for (const call of client.calls.values()) call.cancellation.abort(new Error("The test is over."));
  });
  await client.connect(revision);
  site.requests.length = 0;
  return { ...site, client, recording };
}

for (const revision of ["2025-03-26", "2025-06-18", "2025-11-25"]) {
  test(`a session of ${revision} is opened, named in each request, and deleted`, async (context) => {
    const { client, requests, recording } = await connected(context, revision, [result({ tools: [] }), (_, response) => response.writeHead(204).end()]);
    assert.deepEqual(await client.request("tools/list", {}), { tools: [] });
    await client.end();
    assert.deepEqual(requests.map(({ method, headers }) => [method, headers["mcp-session-id"]]), [["POST", "the-session"], ["DELETE", "the-session"]]);
    assert.equal(requests[0].headers["mcp-protocol-version"], revision === "2025-03-26" ? undefined : revision);
    assert.equal(requests[0].headers.authorization, "Bearer the-token");
    assert.equal(recording.exchanges.length, 4);
  });
}

test("a call reports its progress and ends with its response, all on one stream", async (context) => {
  const say = (send, response, { message }) => {
    send({ id: "s-0", retry: 10 });
    send({ id: "s-1", method: "notifications/progress", params: { progressToken: message.params._meta.progressToken, progress: 1, total: 2 } });
    response.write(`id: s-2\ndata: ${JSON.stringify({ jsonrpc: "2.0", id: message.id, result: { content: ["done"] } })}\n\n`);
    response.end();
  };
  const { client } = await connected(context, "2025-11-25", [stream(say, { "X-Served-By": "p1" })]);
  const progress = [];
  const call = client.start("tools/call", { name: "slow" }, { onProgress: (params) => progress.push(params.progress) });
  assert.deepEqual(await call.promise, { content: ["done"] });
  assert.deepEqual(progress, [1]);
  assert.deepEqual([call.state, call.servedBy], ["done", "p1"]);
});

test("a call whose connection breaks goes on where it broke", async (context) => {
  const lost = [];
  const broken = stream((send, response) => {
    send({ id: "s-7" });
    setTimeout(() => response.destroy(), 20);
  }, { "X-Served-By": "p1" });
  const { client, handlers, requests } = await connected(context, "2025-11-25", [broken]);
  handlers.push((request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream", "X-Served-By": "p2" });
    response.end(`id: s-8\ndata: ${JSON.stringify({ jsonrpc: "2.0", id: requests[0].message.id, result: { ok: true } })}\n\n`);
  });
  client.addEventListener("lost", ({ detail }) => lost.push(detail.process));
  const call = client.start("tools/call", { name: "slow" });
  assert.deepEqual(await call.promise, { ok: true });
  assert.deepEqual(requests.map(({ method, headers }) => [method, headers["last-event-id"]]), [["POST", undefined], ["GET", "s-7"]]);
  assert.deepEqual([lost, call.processes], [["p1"], ["p1", "p2"]]);
});

test("a call that a person cuts waits until they resume it, at the process that they choose", async (context) => {
  const open = stream((send) => send({ id: "s-1" }));
  const { client, handlers, requests } = await connected(context, "2025-11-25", [open]);
  handlers.push(stream((send, response) => response.end(`data: ${JSON.stringify({ jsonrpc: "2.0", id: requests[0].message.id, result: 1 })}\n\n`)));
  const call = client.start("tools/call", { name: "slow" });
  call.addEventListener("change", () => {
    if (call.state === "streaming" && call.lastEventId) setImmediate(() => call.cut());
    if (call.state === "cut" && call.status) setImmediate(() => call.resume({ process: "p3" }));
  });
  client.addEventListener("saved", () => call.state === "streaming" && setImmediate(() => call.cut()));
  assert.equal(await call.promise, 1);
  assert.equal(requests[1].headers["x-try-process"], "p3");
  assert.equal(requests[1].headers["last-event-id"], "s-1");
});

test("a question of the server is asked, and its answer is posted under its id", async (context) => {
  let answered;
  const answer = new Promise((resolve) => (answered = resolve));
  const asking = stream(async (send, response, { message }) => {
    response.write(`id: s-1\ndata: ${JSON.stringify({ jsonrpc: "2.0", id: "q-1", method: "elicitation/create", params: { message: "Sure?" } })}\n\n`);
    const { message: reply } = await answer;
    response.end(`data: ${JSON.stringify({ jsonrpc: "2.0", id: message.id, result: reply.result })}\n\n`);
  });
  const asked = [];
  const questions = { ask: async ({ kind, params }) => (asked.push([kind, params.message]), { action: "decline" }), withdraw() {} };
  const accept = (request, response) => (answered(request), accepted(request, response));
  const { client } = await connected(context, "2025-11-25", [asking, accept], { questions });
  assert.deepEqual(await client.request("tools/call", { name: "asks" }), { action: "decline" });
  assert.deepEqual(asked, [["elicitation-form", "Sure?"]]);
});

test("an answer goes to the process that a person chooses, and as often as they want", async (context) => {
  const say = (response, message) => response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`);
  let called;
  const asking = stream((send, response, { message }) => {
    called = { id: message.id, response };
    say(response, { id: "q-1", method: "elicitation/create", params: {} });
  });
  const second = (request, response) => {
    accepted(request, response);
    say(called.response, { id: called.id, result: {} });
    called.response.end();
  };
  const questions = { ask: async ({ delivery }) => (Object.assign(delivery, { process: "p2", times: 2 }), { action: "decline" }), withdraw() {} };
  const { client, requests } = await connected(context, "2025-11-25", [asking, accepted, second], { questions });
  await client.request("tools/call", { name: "asks" });
  const answers = requests.filter(({ message }) => message?.id === "q-1");
  assert.deepEqual(answers.map(({ headers }) => headers["x-try-process"]), ["p2", "p2"]);
});

test("at 2026-07-28 a result that asks is followed by a round with the answers and the state", async (context) => {
  const asking = { resultType: "input_required", requestState: "sealed", inputRequests: { name: { method: "elicitation/create", params: {} }, where: { method: "roots/list" } } };
  const questions = { ask: async ({ kind }) => ({ kind }), withdraw() {} };
  const { client, requests } = await connected(context, "2026-07-28", [result(asking), result({ resultType: "complete", content: [] })], { questions });
  await client.request("tools/call", { name: "asks", arguments: { a: 1 } });
  const [first, second] = requests.map(({ message }) => message);
  assert.notEqual(first.id, second.id);
  assert.deepEqual(second.params.inputResponses, { name: { kind: "elicitation-form" }, where: { kind: "roots" } });
  assert.equal(second.params.requestState, "sealed");
  assert.deepEqual(second.params.arguments, { a: 1 });
});

test("at 2026-07-28 headers repeat method, name and the parameters that the schema marks", () => {
  const schema = { properties: { city: { type: "string", "x-mcp-header": "City" }, deep: { properties: { on: { "x-mcp-header": "On" } } }, none: { "x-mcp-header": "None" } } };
  const message = { method: "tools/call", params: { name: "wetter für heute", arguments: { city: "Köln", deep: { on: true } } } };
  const headers = headersFor("2026-07-28", message, { token: "t", schema });
  assert.deepEqual(
    [headers["MCP-Protocol-Version"], headers["Mcp-Method"], headers["Mcp-Name"], headers["Mcp-Param-City"], headers["Mcp-Param-On"], headers["Mcp-Param-None"]],
    ["2026-07-28", "tools/call", "=?base64?d2V0dGVyIGbDvHIgaGV1dGU=?=", "=?base64?S8O2bG4=?=", "true", undefined],
  );
  assert.equal(encoded(" x"), "=?base64?IHg=?=");
});

test("cancelling a call of a session posts a notification, and its promise rejects", async (context) => {
  const { client, handlers, requests } = await connected(context, "2025-11-25", [stream((send) => send({ id: "s-1" }))]);
  handlers.push(accepted);
  const call = client.start("tools/call", { name: "slow" });
  const first = new Promise((resolve) => client.addEventListener("saved", resolve, { once: true }));
  await first;
  call.cancel("enough");
  await assert.rejects(call.promise, { name: "Cancelled", message: "enough" });
  while (requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(requests[1].message, { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: call.id, reason: "enough" } });
});

test("at 2026-07-28 cancelling a call closes its connection and posts nothing", async (context) => {
  let closed;
  const isClosed = new Promise((resolve) => (closed = resolve));
  const open = stream((send, response) => (response.on("close", closed), send({ method: "notifications/message", params: {} })));
  const { client, requests } = await connected(context, "2026-07-28", [open]);
  const call = client.start("tools/call", { name: "slow" });
  await new Promise((resolve) => client.addEventListener("notification", resolve, { once: true }));
  call.cancel();
  await assert.rejects(call.promise, { name: "Cancelled" });
  await isClosed;
  assert.equal(requests.length, 1);
});

test("a 401 is retried once the client has a new token, and else is the answer", async (context) => {
  const tokens = ["old", "new"];
  const refuse = json({ error: "invalid_token" }, { status: 401, "WWW-Authenticate": "Bearer" });
  const { client, requests } = await connected(context, "2025-11-25", [refuse, result({ ok: 1 }), refuse], {
    token: () => tokens[0],
    onUnauthorized: async () => tokens.length > 1 && Boolean(tokens.shift()),
  });
  assert.deepEqual(await client.request("tools/list", {}), { ok: 1 });
  assert.deepEqual(requests.map(({ headers }) => headers.authorization), ["Bearer old", "Bearer new"]);
  await assert.rejects(client.request("tools/list", {}), { name: "Refusal", status: 401 });
});

test("a session that the server does not know is told", async (context) => {
  const { client } = await connected(context, "2025-11-25", [json({ jsonrpc: "2.0", id: null, error: { code: -32001, message: "Session not found" } }, { status: 404 })]);
  const lost = new Promise((resolve) => client.addEventListener("session-lost", ({ detail }) => resolve(detail.refusal.code)));
  await assert.rejects(client.request("tools/list", {}), { status: 404, code: -32001 });
  assert.equal(await lost, -32001);
});

test("what was saved in mid-call is taken up after a reload, with the questions that are open", async (context) => {
  const asking = stream((send, response) => response.write(`id: s-4\ndata: ${JSON.stringify({ jsonrpc: "2.0", id: "q-1", method: "roots/list" })}\n\n`));
  const never = { ask: () => new Promise(() => {}), withdraw() {} };
  const { client, handlers, requests, url, origin } = await connected(context, "2025-11-25", [asking], { questions: never });
  const call = client.start("tools/call", { name: "asks" });
  while (call.questions.size === 0) await new Promise((resolve) => client.addEventListener("saved", resolve, { once: true }));
  const saved = JSON.parse(JSON.stringify(client.save()));
  requests.length = 0;
  const finish = stream((send, response) => response.end(`data: ${JSON.stringify({ jsonrpc: "2.0", id: call.id, result: "resumed" })}\n\n`));
  const answer = (request, response) => (request.method === "POST" ? accepted(request, response) : finish(request, response));
  handlers.push(answer, answer);
  const questions = { ask: async () => ({ roots: [] }), withdraw() {} };
  const later = new Client({ url, origin, recording: new Recording(), token: () => "the-token", budget: new StreamBudget({ locks: null }), questions });
  const [resumed] = later.restore(saved);
  assert.equal(await resumed.promise, "resumed");
  const get = requests.find(({ method }) => method === "GET");
  assert.deepEqual([get.headers["last-event-id"], get.headers["mcp-session-id"]], ["s-4", "the-session"]);
});
