/** The unfolded exchange: request and response, headers folded but for those that matter, bodies coloured. */

import { codeBlock, copyButton } from "./code_view.js";
import { h } from "../base/dom.js";
import * as highlight from "./highlight.js";
import { challenge, disagreements, isStream } from "../protocol/messages.js";
import { maskedHeader } from "./secrets.js";
import { bytes } from "../base/units.js";

const TELLING =
  /^(mcp-.*|authorization|last-event-id|www-authenticate|content-type|accept|location|retry-after|x-request-id|x-served-by)$/i;
const MAX_BODY_LENGTH = 64 * 1024;

/** What a row shows when it is opened: `exchange` as two columns. */
export function exchangeDetail(exchange) {
  const { request, response } = exchange;
  const wrong = new Map(disagreements(exchange).map((one) => [one.name, one.body]));
  return h(
    "div",
    { class: "w-detail" },
    h(
      "section",
      { class: "w-side", "aria-label": "Request" },
      sideTitle("Request", h("code", {}, h("b", {}, request.method), ` ${request.path}`), request.body),
      headerList(request.headers, wrong),
      request.body ? body(request.body, "Request body") : null,
    ),
    h("section", { class: "w-side", "aria-label": "Response" }, responseSide(exchange, response)),
  );
}

function responseSide(exchange, response) {
  if (!response) return [sideTitle("Response", exchange.error ?? (exchange.isOpen ? "not yet" : "none"), null)];
  const status = h("code", { class: response.status < 400 ? "w-good" : "w-bad" }, String(response.status));
  const answer = headerList(response.headers, new Map());
  const asked = response.headers.find(([name]) => name.toLowerCase() === "www-authenticate");
  return [
    sideTitle("Response", status, response.body),
    answer,
    asked ? challengeList(asked[1]) : null,
    response.body ? body(response.body, "Response body") : null,
    isStream(exchange) ? h("p", { class: "w-hint" }, streamHint(response)) : null,
    exchange.error ? h("p", { class: "w-hint w-bad" }, exchange.error) : null,
  ];
}

function streamHint(response) {
  const count = response.events.filter((event) => event.comment === undefined).length;
  return count === 0 ? "An open event stream; nothing has arrived on it yet." : `An event stream: ${count} ${count === 1 ? "event" : "events"}, in the rows below.`;
}

function sideTitle(title, line, text) {
  return h("p", { class: "w-side-title" }, h("span", { class: "w-label" }, title), line, text ? copyButton(text, "Copy body") : null);
}

/** Headers as lines; the telling ones first, the others behind a button. */
function headerList(headers, wrong) {
  if (headers.length === 0) return null;
  const lines = headers.map(([name, value]) => ({ name, line: headerRow(name, value, wrong.get(name.toLowerCase())) }));
  const shown = lines.filter(({ name }) => TELLING.test(name)).map(({ line }) => line);
  const others = lines.filter(({ name }) => !TELLING.test(name)).map(({ line }) => line);
  const folded = h("div", { hidden: true }, others);
  const more = h("button", { class: "w-more", type: "button", "aria-expanded": "false" }, `${others.length} more ${others.length === 1 ? "header" : "headers"}`);
  more.addEventListener("click", (event) => {
    event.stopPropagation();
    folded.hidden = !folded.hidden;
    more.setAttribute("aria-expanded", String(!folded.hidden));
  });
  return h("div", { class: "w-headers" }, shown, others.length ? [more, folded] : null);
}

function headerRow(name, value, inBody) {
  const line = h("div", { class: inBody === undefined ? "w-header" : "w-header w-wrong" }, h("span", { class: "c-name" }, name), h("span", { class: "c-mark" }, ": "), maskedHeader(name, value));
  if (inBody !== undefined) line.append(h("span", { class: "w-badge w-badge-error" }, `≠ body: ${inBody}`));
  return line;
}

/** A challenge, taken apart. */
function challengeList(text) {
  const { scheme, parameters } = challenge(text);
  return h(
    "dl",
    { class: "w-challenge", "aria-label": `${scheme} challenge` },
    parameters.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

function body(text, label) {
  if (text.length <= MAX_BODY_LENGTH) return codeBlock(highlight.body(text), { label });
  const holder = h("div", {});
  const open = h("button", { class: "w-more", type: "button" }, `Show the body, ${bytes(text.length)}`);
  open.addEventListener("click", (event) => {
    event.stopPropagation();
    holder.replaceChildren(codeBlock(highlight.body(text), { label }));
  });
  holder.append(open);
  return holder;
}

/** What the row of an event shows when it is opened. */
export function eventDetail(event) {
  return h("div", { class: "w-detail w-detail-event" }, codeBlock(highlight.event(event), { label: "Event" }), event.data ? copyButton(event.data, "Copy data") : null);
}
