/** A prompt: its arguments with completion, and the messages that it becomes. */

import { h } from "../base/dom.js";
import { completer, copyButton, jsonDetails, viewHead } from "../base/parts.js";
import { format } from "../base/route.js";
import { argumentsSchema } from "../forms/schema.js";
import { titleOf } from "../protocol/catalog.js";
import { renderPrompt } from "../results/results.js";
import { runList } from "./runs.js";
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
