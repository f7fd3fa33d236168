/** A request exactly as it is typed: bad ones are a feature. */

import { fill, h } from "../base/dom.js";
import { errorLine, viewHead } from "../base/parts.js";
import { headersFor } from "../protocol/headers.js";
import { hasBatches, isHttpSse } from "../protocol/revisions.js";

const TOKEN = "$MCP_TOKEN";

export function rawView(app) {
  const method = h("select", { id: "raw-method" }, ["POST", "GET", "DELETE", "PUT"].map((name) => h("option", {}, name)));
  const path = h("input", { id: "raw-path", value: "/mcp", spellcheck: false });
  const headers = h("textarea", { id: "raw-headers", rows: 7, spellcheck: false, class: "wb-code" });
  const body = h("textarea", { id: "raw-body", rows: 10, spellcheck: false, class: "wb-code" });
  const outcome = h("div", { class: "wb-outcome", "aria-live": "polite" });
  const prepare = (message) => {
    method.value = "POST";
    const { pathname, search } = new URL(isHttpSse(app.client.revision) ? app.client.endpoint : app.url);
    path.value = pathname + search;
    const all = headersFor(app.client.revision, Array.isArray(message) ? {} : message, { token: TOKEN, sessionId: app.client.sessionId });
    headers.value = Object.entries(all).map(([name, value]) => `${name}: ${value}`).join("\n");
    body.value = JSON.stringify(message, null, 2);
  };
  const request = (name, params) => ({ jsonrpc: "2.0", id: app.client.nextId(), method: name, params: app.client.withMeta(params) });
  const examples = [
    ["A call", () => prepare(request("tools/call", { name: "echo", arguments: { message: "as typed" } }))],
    ["An unknown method", () => prepare(request("no/such/method", {}))],
    ["Broken JSON", () => (prepare(request("ping", {})), (body.value = '{"jsonrpc": "2.0", "id": 1,'))],
    ["A batch", () => prepare([request("ping", {}), request("tools/call", { name: "add", arguments: { a: 2, b: 40 } })])],
  ];
  const send = async () => {
    fill(outcome, h("p", { class: "wb-wait" }, "Sent. Waiting for the response."));
    try {
      const typed = headers.value.split("\n").filter((line) => line.trim()).map((line) => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim().replace(TOKEN, app.tokens.access ?? "")]);
      const reply = await app.client.raw({ method: method.value, url: new URL(path.value, location.href).href, headers: typed, body: ["GET", "HEAD"].includes(method.value) ? "" : body.value });
      const { response } = reply.exchange;
      fill(
        outcome,
        h("p", {}, h("span", { class: `badge ${reply.status >= 400 ? "error" : "ok"}` }, `HTTP ${reply.status}`)),
        reply.status === 202 && isHttpSse(app.client.revision) && h("p", { class: "wb-note" }, "The answer arrives on the stream of the session: see the wire."),
        h("pre", { tabIndex: 0 }, response.events.length ? response.events.map(({ data }) => data ?? "").join("\n") : pretty(response.body)),
      );
    } catch (error) {
      fill(outcome, errorLine(error));
    }
  };
  const form = h(
    "form",
    {
      class: "wb-raw",
      onsubmit: (event) => {
        event.preventDefault();
        send();
      },
    },
    h("div", { class: "wb-actions", role: "group", "aria-label": "Examples" }, examples.map(([label, act]) => h("button", { type: "button", onclick: act }, label))),
    h("p", { class: "wb-note", hidden: hasBatches(app.client.revision) }, "Only 2025-03-26 has batches; at other revisions the server answers 400."),
    h("div", { class: "wb-row" }, h("div", {}, h("label", { htmlFor: "raw-method" }, "Method"), method), h("div", { class: "wb-grow" }, h("label", { htmlFor: "raw-path" }, "Path"), path)),
    h("label", { htmlFor: "raw-headers" }, "Headers"),
    headers,
    h("p", { class: "wb-note" }, `${TOKEN} stands for the access token of this tab. Browsers refuse to send some headers, such as Host and Origin.`),
    h("label", { htmlFor: "raw-body" }, "Body"),
    body,
    h("div", { class: "wb-actions" }, h("button", { type: "submit", class: "main" }, "Send as typed")),
  );
  prepare(request("tools/call", { name: "echo", arguments: { message: "as typed" } }));
  const node = h("div", { class: "wb-view" }, viewHead({ title: "Raw request", about: "Nothing is checked or added. The response is in the wire, as always." }), form, outcome);
  return {
    node,
    title: "Raw request",
    apply: ({ args }) => args && prepare(args),
    /** Take over a request of the wire. */
    take(sent) {
      method.value = sent.method;
      path.value = sent.path;
      headers.value = sent.headers.map(([name, value]) => `${name}: ${name.toLowerCase() === "authorization" ? `Bearer ${TOKEN}` : value}`).join("\n");
      body.value = sent.body ?? "";
    },
    run: send,
  };
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text || "(no body)";
  }
}
