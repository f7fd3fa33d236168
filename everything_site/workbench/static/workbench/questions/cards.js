/** What a person sees of each kind of question, and answers it with. */

import { REFUSAL, echo, hasToolResult, message, refusal, toolFor, useTool } from "./answers.js";
import "../forms/form.js";
import { h } from "../base/dom.js";
import { renderBlocks } from "../results/results.js";
import { describe } from "../forms/schema.js";
import { target } from "../base/web_address.js";

export const KINDS = { "elicitation-form": "Form", "elicitation-url": "Page to visit", sampling: "Sampling", roots: "Roots" };

const button = (text, onclick, kind = "") => h("button", { type: "button", class: kind, onclick }, text);
const actions = (...buttons) => h("div", { class: "question-actions" }, buttons);

/**
 * Build the body of a question's card.
 *
 * @param {{kind: string, params: Object, call: Object}} question
 * @param {{answer: (result: Object) => void, refuse: (error: Error) => void, preferences: Object, changed: () => void}} how
 * @returns {Node[]}
 */
export function cardBody(question, how) {
  return { "elicitation-form": elicitationForm, "elicitation-url": elicitationUrl, sampling, roots }[question.kind](question, how);
}

const asker = () => h("p", { class: "question-from" }, "Asked by this server, ", h("strong", {}, location.host), ". It sees what you answer.");

function elicitationForm(question, { answer }) {
  const { params } = question;
  const form = h("es-form", {});
  form.schema = params.requestedSchema ?? { type: "object", properties: {} };
  form.addEventListener("run", ({ detail }) => answer({ action: "accept", content: detail.value ?? {} }));
  return [
    asker(),
    rest(question),
    form,
    actions(button("Accept", () => form.submit(), "main"), button("Decline", () => answer({ action: "decline" })), button("Cancel", () => answer({ action: "cancel" }), "plain")),
  ];
}

function elicitationUrl(question, { answer }) {
  const { params } = question;
  const { host, isWeb, warnings } = target(params.url);
  const accept = () => answer({ action: "accept" });
  return [
    asker(),
    rest(question),
    h("p", { class: "question-target" }, h("strong", {}, host || "No host"), h("code", {}, params.url ?? "")),
    warnings.length ? h("p", { class: "question-warning" }, warnings.join(" ")) : null,
    actions(
      isWeb ? h("a", { class: "button main", href: params.url, target: "_blank", rel: "noopener noreferrer", onclick: accept }, "Open page") : null,
      button("Accept without opening", accept),
      button("Decline", () => answer({ action: "decline" })),
      button("Cancel", () => answer({ action: "cancel" }), "plain"),
    ),
  ];
}

const PRIORITIES = { costPriority: "Low cost", speedPriority: "Speed", intelligencePriority: "Intelligence" };

function facts(params) {
  const { modelPreferences: wishes = {}, maxTokens, temperature, stopSequences, includeContext, toolChoice } = params;
  const hints = (wishes.hints ?? []).map(({ name }) => name).filter(Boolean);
  const rows = [
    ["At most", maxTokens === undefined ? "" : `${maxTokens} tokens`],
    ["Temperature", temperature],
    ["Models wanted", hints.join(", ")],
    ...Object.entries(PRIORITIES).map(([key, name]) => [name, wishes[key] === undefined ? "" : [h("meter", { min: 0, max: 1, value: wishes[key], "aria-label": name }), ` ${wishes[key]}`]]),
    ["Stops at", stopSequences?.map((stop) => JSON.stringify(stop)).join(", ")],
    ["Context", includeContext],
    ["Use of tools", toolChoice?.mode],
  ].filter(([, value]) => value !== undefined && value !== "");
  return rows.length ? h("dl", { class: "question-facts" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))) : null;
}

function sampling({ params }, { answer, refuse }) {
  const tool = toolFor(params);
  const text = h("textarea", { rows: 3, "aria-label": "The answer of the model", placeholder: "Answer as the model would…" });
  const answerByHand = () => answer(message(text.value));
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) answerByHand();
  });
  return [
    h("p", { class: "question-from" }, "The server asks your model. No model is connected: you answer in its place."),
    params.systemPrompt ? h("p", { class: "question-system" }, h("span", { class: "badge" }, "system"), " ", params.systemPrompt) : null,
    h("ol", { class: "conversation", "aria-label": "Conversation" }, (params.messages ?? []).map(({ role, content }) => h("li", { dataset: { role } }, h("span", { class: "badge" }, role), h("div", {}, renderBlocks([content].flat().filter(Boolean)))))),
    facts(params),
    params.tools?.length ? h("details", { class: "question-tools" }, h("summary", {}, params.tools.length === 1 ? `1 tool: ${params.tools[0].name}` : `${params.tools.length} tools`), h("ul", {}, params.tools.map((one) => h("li", {}, h("code", {}, one.name), " ", one.description ?? "", ` (${describe(one.inputSchema ?? {}).fields?.map(({ name }) => name).join(", ") ?? ""})`)))) : null,
    text,
    actions(
      button("Answer", answerByHand, "main"),
      button("Echo", () => answer(echo(params))),
      tool ? button(hasToolResult(params) ? "Report the result" : `Use ${tool.name}`, () => answer(useTool(params))) : null,
      button("Refuse", () => refuse(refusal(REFUSAL)), "plain"),
    ),
  ];
}

function roots(question, { answer, refuse, preferences, changed }) {
  const editor = rootsEditor(preferences, changed);
  return [
    h("p", { class: "question-from" }, "The server asks which folders it may look at. This list is sent; it names nothing on your computer unless you write it."),
    editor,
    actions(button("Send the list", () => answer({ roots: preferences.rootList }), "main"), button("Refuse", () => refuse(refusal({ code: -32601, message: "Roots not supported" })), "plain")),
  ];
}

/** The list of roots, to be edited; it is remembered as it changes. */
export function rootsEditor(preferences, changed = () => {}) {
  const list = h("ul", { class: "roots" });
  const save = () => {
    const rows = [...list.children].map((row) => [...row.querySelectorAll("input")].map((input) => input.value.trim()));
    preferences.set({ rootList: rows.filter(([uri]) => uri).map(([uri, name]) => (name ? { uri, name } : { uri })) });
    changed();
  };
  const add = ({ uri = "file:///", name = "" } = {}) => {
    const row = h(
      "li",
      {},
      h("input", { type: "text", value: uri, "aria-label": "URI of the root", spellcheck: false, onchange: save }),
      h("input", { type: "text", value: name, "aria-label": "Name of the root", placeholder: "name", onchange: save }),
      h("button", { type: "button", class: "mini", "aria-label": "Remove this root", onclick: () => { row.remove(); save(); more.focus(); } }, "Remove"),
    );
    list.append(row);
    return row;
  };
  const more = h("button", { type: "button", class: "field-action", onclick: () => add().querySelector("input").focus() }, "Add a root");
  preferences.rootList.forEach(add);
  return h("div", { class: "roots-editor" }, list, more);
}

const MESSAGES = { "elicitation-form": "The server asks you", "elicitation-url": "The server asks you to visit a page", sampling: "The server asks your model", roots: "The server asks for your roots" };
const MAX_LENGTH = 120;

/** One line that says what a question is about. */
export function headline({ kind, params }) {
  const [first = ""] = String(params.message ?? "").trim().split("\n");
  if (!first || !kind.startsWith("elicitation")) return MESSAGES[kind];
  return first.length > MAX_LENGTH ? `${first.slice(0, MAX_LENGTH)}…` : first;
}

/** The whole message, where the headline has only its beginning. */
function rest(question) {
  const message = String(question.params.message ?? "").trim();
  return message && message !== headline(question) ? h("p", { class: "question-message" }, message) : null;
}
