/** A tool: its form, and what its calls came to. */

import { appUri } from "../apps/resources.js";
import { appFrame } from "../apps/tool_app.js";
import { h } from "../base/dom.js";
import { copyButton, jsonDetails, viewHead } from "../base/parts.js";
import { format } from "../base/route.js";
import { titleOf } from "../protocol/catalog.js";
import { ELICITATION_REQUIRED, elicitAll } from "../questions/elicitation_required.js";
import { renderError, renderResult } from "../results/results.js";
import { runList } from "./runs.js";

const HINTS = [
  ["readOnlyHint", true, "reads only", "ok"],
  ["destructiveHint", true, "may destroy", "error"],
  ["idempotentHint", true, "idempotent", ""],
  ["openWorldHint", true, "open world", ""],
];

export function toolView(app, tool) {
  const key = `tools/${tool.name}`;
  const hints = HINTS.filter(([name, value]) => tool.annotations?.[name] === value && !(name === "destructiveHint" && tool.annotations.readOnlyHint));
  const form = document.createElement("es-form");
  form.schema = tool.inputSchema;
  form.submitLabel = "Run";
  const link = () => new URL(format({ kind: "tools", name: tool.name, revision: app.client.revision, args: form.value }), location.href).href;
  form.actions = [copyButton("Copy link", link)];
  form.addEventListener("run", ({ detail }) => run(detail.value));

  const run = (args) => {
    const params = { name: tool.name, ...(args === undefined ? {} : { arguments: args }) };
    const call = app.client.start("tools/call", params, { onProgress: () => {} });
    call.promise.then(
      (result) => {
        if (result?.resultType === "task") app.tasks.add(result, titleOf(tool));
      },
      (error) => {
        if (error.code === ELICITATION_REQUIRED) elicitAll(app, call, error);
      },
    );
  };

  const render = (call) => {
    if (call.error) return ended(call, () => run(params(call)));
    if (call.result?.resultType === "task") return taskNote(call.result);
    const shown = renderResult(call.result, { tool, read: (uri) => app.client.request("resources/read", { uri }) });
    const uri = appUri(tool);
    return uri ? h("div", {}, appFrame(app, { uri, tool, call }), shown) : shown;
  };
  const params = (call) => call.params.arguments;

  const node = h(
    "div",
    { class: "wb-view" },
    viewHead({
      title: titleOf(tool),
      name: tool.name,
      about: tool.description,
      badges: [...hints.map(([, , text, tone]) => [text, tone]), ...(appUri(tool) ? [["app", "", "Shows a page from the server"]] : [])],
    }),
    form,
    runList(app, key, { title: titleOf(tool), render }),
    jsonDetails("Tool as the server lists it", tool),
  );
  return {
    node,
    title: titleOf(tool),
    apply: ({ args }) => {
      if (args !== undefined) form.value = args;
    },
    value: () => form.value,
    run: () => form.submit(),
  };
}

/** What to say of a call that has no result. */
export function ended(call, again) {
  const { error } = call;
  const shown =
    error.name === "Refusal" && error.code !== null
      ? renderError(error, { method: call.method })
      : h("p", { class: call.state === "cancelled" ? "wb-note" : "wb-error" }, error.status ? `HTTP ${error.status}: ${error.message}` : error.message);
  return h("div", {}, shown, h("button", { type: "button", onclick: again }, "Run again"));
}

function taskNote({ taskId }) {
  return h(
    "p",
    { class: "wb-note" },
    "The call became a task, which outlives this request: ",
    h("a", { href: format({ kind: "tasks", name: taskId }) }, `follow task ${taskId.slice(0, 8)}…`),
  );
}
