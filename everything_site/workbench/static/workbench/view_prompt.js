/** A prompt: its arguments with completion, and the messages that it becomes. */

import { titleOf } from "./catalog.js";
import { h } from "./dom.js";
import { renderPrompt } from "./results.js";
import { format } from "./route.js";
import { runList } from "./runs.js";
import { argumentsSchema } from "./schema.js";
import { completer, copyButton, jsonDetails, viewHead } from "./view_parts.js";
import { ended } from "./view_tool.js";

export function promptView(app, prompt) {
  const title = titleOf(prompt);
  const form = document.createElement("es-form");
  form.schema = argumentsSchema(prompt.arguments ?? []);
  form.complete = completer(app, { type: "ref/prompt", name: prompt.name });
  form.submitLabel = "Get the prompt";
  const link = () => new URL(format({ kind: "prompts", name: prompt.name, revision: app.client.revision, args: form.value }), location.href).href;
  form.actions = [copyButton("Copy link", link)];
  const get = (args) => app.client.start("prompts/get", { name: prompt.name, ...(args && Object.keys(args).length ? { arguments: args } : {}) });
  form.addEventListener("run", ({ detail }) => get(detail.value));
  const render = (call) => (call.error ? ended(call, () => get(call.params.arguments)) : renderPrompt(call.result, { read: (uri) => app.client.request("resources/read", { uri }) }));
  const node = h(
    "div",
    { class: "wb-view" },
    viewHead({ title, name: prompt.name, about: prompt.description }),
    form,
    runList(app, `prompts/${prompt.name}`, { title, render }),
    jsonDetails("Prompt as the server lists it", prompt),
  );
  return {
    node,
    title,
    apply: ({ args }) => {
      if (args !== undefined) form.value = args;
    },
    value: () => form.value,
    run: () => form.submit(),
  };
}
