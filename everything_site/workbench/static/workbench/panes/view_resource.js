/** A resource, or a template of resources: read it, and be told of its changes. */

import { appOf } from "../apps/tool_app.js";
import { fill, h } from "../base/dom.js";
import { completer, copyButton, errorLine, jsonDetails, viewHead } from "../base/parts.js";
import { format } from "../base/route.js";
import { variablesSchema } from "../forms/schema.js";
import { titleOf } from "../protocol/catalog.js";
import { has } from "../protocol/revisions.js";
import { renderResource } from "../results/results.js";
import { runList } from "./runs.js";
import { ended } from "./view_tool.js";

export function resourceView(app, resource) {
  const { uri } = resource;
  const title = titleOf(resource);
  const read = () => app.client.start("resources/read", { uri });
  const button = h("button", { type: "button", class: "main", onclick: read }, "Read");
  const link = () => new URL(format({ kind: "resources", name: uri, revision: app.client.revision }), location.href).href;
  const node = h(
    "div",
    { class: "wb-view" },
    viewHead({
      title,
      name: uri,
      about: resource.description,
      badges: [resource.mimeType && [resource.mimeType], resource.size !== undefined && [`${resource.size} bytes`]].filter(Boolean),
    }),
    h("div", { class: "wb-actions" }, button, subscription(app, uri), copyButton("Copy link", link)),
    updates(app, uri),
    runList(app, `resources/${uri}`, { title, render: (call) => rendered(app, call, read) }),
    jsonDetails("Resource as the server lists it", resource),
  );
  return { node, title, apply() {}, run: read };
}

function rendered(app, call, again) {
  if (call.error) return ended(call, again);
  const box = h("div", {});
  const read = (uri) => app.client.request("resources/read", { uri });
  const openApp = () => box.querySelector("es-app-frame") ?? box.prepend(appOf(app, { resource: call.result }));
  box.append(renderResource(call.result, { read, openApp }));
  return box;
}

/** The button that subscribes, in the way of the revision. */
function subscription(app, uri) {
  const button = h("button", { type: "button" });
  const problem = h("span", { role: "status" });
  const show = () => {
    button.textContent = app.subscriptions.has(uri) ? "Unsubscribe" : has(app.client.revision, "listen streams") ? "Listen for changes" : "Subscribe";
  };
  button.addEventListener("click", async () => {
    button.disabled = true;
    fill(problem);
    try {
      await (app.subscriptions.has(uri) ? app.subscriptions.remove(uri) : app.subscriptions.add(uri));
    } catch (error) {
      fill(problem, errorLine(error));
    }
    button.disabled = false;
    show();
  });
  app.subscriptions.addEventListener("change", show);
  show();
  return [button, problem];
}

function updates(app, uri) {
  const line = h("p", { class: "wb-note", role: "status", hidden: true });
  const show = () => {
    const state = app.subscriptions.get(uri);
    line.hidden = !state;
    if (state) line.textContent = state.count ? `Updated ${state.count} ${state.count === 1 ? "time" : "times"}, last at ${new Date(state.last).toLocaleTimeString()}. Read it again to see how.` : "Subscribed. Nothing has changed yet.";
  };
  app.subscriptions.addEventListener("change", show);
  show();
  return line;
}

export function templateView(app, template) {
  const { uriTemplate } = template;
  const title = titleOf(template);
  const form = document.createElement("es-form");
  form.schema = variablesSchema(uriTemplate);
  form.submitLabel = "Read";
  form.complete = completer(app, { type: "ref/resource", uri: uriTemplate });
  const results = h("div", {});
  const target = h("p", { class: "wb-name" });
  const showTarget = () => fill(target, "Reads ", h("code", {}, expand(uriTemplate, form.value ?? {})));
  form.addEventListener("input", showTarget);
  form.addEventListener("run", ({ detail }) => {
    const uri = expand(uriTemplate, detail.value ?? {});
    const read = () => app.client.start("resources/read", { uri });
    read();
    fill(results, runList(app, `resources/${uri}`, { title: uri, render: (call) => rendered(app, call, read) }));
  });
  showTarget();
  const node = h(
    "div",
    { class: "wb-view" },
    viewHead({ title, name: uriTemplate, about: template.description, badges: template.mimeType ? [[template.mimeType]] : [] }),
    form,
    target,
    results,
    jsonDetails("Template as the server lists it", template),
  );
  return {
    node,
    title,
    apply: ({ args }) => {
      if (args !== undefined) form.value = args;
      showTarget();
    },
    value: () => form.value,
    run: () => form.submit(),
  };
}

/** A URI of a template with simple expressions (RFC 6570, level 1; `{+name}` keeps reserved characters). */
export function expand(template, values) {
  return template.replace(/\{(\+?)([^{}]+)\}/g, (_, plus, name) => {
    const value = String(values[name] ?? "");
    return plus ? encodeURI(value) : encodeURIComponent(value);
  });
}
