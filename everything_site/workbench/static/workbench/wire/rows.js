/** The rows of the wire log: what stands in a line for an exchange, an event, a marker. */

import { h } from "../base/dom.js";
import { bytes, duration, moment, processColour } from "../base/units.js";
import { eventTitle, hasFailed, isStream, kindOf, sent, titleOf } from "../protocol/messages.js";

const MARKS = { cut: "✂", resume: "↻", killed: "✕", waiting: "…", note: "·" };
const TONES = {
  event: ["↓", "event"],
  question: ["?", "question from the server"],
  ok: ["✓", "result"],
  error: ["!", "error"],
  muted: ["·", "nothing to read"],
};

/** A row without its content: `level` counts from 1. */
export function row(level, kind) {
  return h("div", { class: `w-row w-${kind}`, role: "row", "aria-level": String(level), tabIndex: -1 });
}

const cell = (name, ...content) => h("span", { class: `w-cell w-${name}`, role: "gridcell" }, content);
const word = (text) => h("span", { class: "w-word" }, text);
const icon = (text) => h("span", { class: "w-icon", "aria-hidden": "true" }, text);

/** Fills the row of an exchange; `menu` is the button at its end. */
export function fillExchange(element, exchange, { hasChildren, menu }) {
  const { method, subject } = titleOf(exchange);
  const [tone, sign, spoken] = direction(exchange);
  element.dataset.tone = hasFailed(exchange) ? "error" : tone;
  element.classList.toggle("w-open-stream", exchange.isOpen && isStream(exchange));
  const tools = element.querySelector(":scope > .w-tools") ?? cell("tools", menu); // it may have the focus
  for (const old of [...element.children]) if (old !== tools) old.remove();
  element.prepend(
    cell("time", moment(exchange.at)),
    cell(
      "title",
      h("span", { class: "w-chevron", "aria-hidden": "true", dataset: { branch: String(hasChildren) } }),
      icon(sign),
      word(`${spoken} `),
      h("b", {}, method),
      subject ? h("span", { class: "w-subject" }, ` ${subject}`) : null,
      exchange.note ? h("span", { class: "w-note" }, ` ${exchange.note}`) : null,
    ),
    cell("status", statusBadge(exchange)),
    cell("process", exchange.servedBy ? processChip(exchange.servedBy) : null),
    cell("took", tookText(exchange)),
    cell("size", bytes(exchange.bytes)),
  );
  if (tools.parentElement !== element) element.append(tools);
}

function direction(exchange) {
  if (exchange.from === "person") return ["question", "☞", "a person:"];
  const [message] = sent(exchange.request);
  if (message && !("method" in message)) return ["question", "↑", "answer:"];
  if (kindOf(message) === "notification") return ["event", "↑", "notification:"];
  if (isStream(exchange)) return ["request", "⇣", "request, answered by an event stream:"];
  return ["request", "→", "request:"];
}

function statusBadge({ response, error, cut, isOpen }) {
  if (error && !response) return h("span", { class: "w-bad" }, h("span", { "aria-hidden": "true" }, "✕"), word("failed"));
  if (!response) return h("span", { class: "w-pending" }, cut ? "cut" : isOpen ? "…" : "–");
  return h("span", { class: response.status < 400 ? "w-good" : "w-bad" }, String(response.status));
}

function tookText({ at, endedAt, response }) {
  if (endedAt !== null) return duration(endedAt - at);
  return response ? "open" : "waiting";
}

export function processChip(name) {
  return h("span", { class: `w-chip w-process-${processColour(name)}`, title: `served by ${name}` }, name);
}

/** Fills the row of an event. */
export function fillEvent(element, event) {
  const { label, tone } = eventTitle(event);
  const [sign, spoken] = TONES[tone];
  element.dataset.tone = tone;
  element.replaceChildren(
    cell("time", moment(event.at)),
    cell("title", icon(sign), word(`${spoken}: `), label),
    cell("id", event.id ? h("span", { title: `event id ${event.id}` }, shortId(event.id)) : null),
  );
}

/** The end of an event id tells events of a stream apart. */
function shortId(id) {
  return id.length > 12 ? `…${id.slice(-8)}` : id;
}

/** Fills the row that stands for several comments in a row. */
export function fillComments(element, events) {
  element.dataset.tone = "muted";
  const text = events.length === 1 ? "keep-alive" : `${events.length} keep-alives`;
  element.replaceChildren(cell("time", moment(events.at(-1).at)), cell("title", icon("·"), text), cell("id"));
}

export function fillMark(element, mark) {
  element.dataset.tone = mark.kind === "killed" ? "error" : mark.kind === "note" ? "muted" : "mark";
  element.replaceChildren(cell("time", moment(mark.at)), cell("title", icon(MARKS[mark.kind] ?? "·"), mark.text), cell("id"));
}

/** Fills the line for several exchanges, such as the handshake. */
export function fillGroup(element, label, exchanges) {
  element.dataset.tone = "muted";
  const count = `${exchanges.length} exchanges`;
  element.replaceChildren(
    cell("time", moment(exchanges[0].at)),
    cell("title", h("span", { class: "w-chevron", "aria-hidden": "true", dataset: { branch: "true" } }), h("b", {}, label), h("span", { class: "w-note" }, ` ${count}`)),
    cell("id"),
  );
}
