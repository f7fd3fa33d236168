/** Exchanges as text, for reading: heads, and bodies laid out. */

import { eventText } from "./exports.js";
import { pretty } from "./highlight.js";
import { maskedHeader } from "./secrets.js";

const lines = (headers) => headers.map(([name, value]) => `${name}: ${maskedHeader(name, value)}`);

export function request({ method, path, headers, body }) {
  return [`${method} ${path}`, ...lines(headers), ...(body ? ["", pretty(body)] : [])].join("\n");
}

export function response({ status, headers, body, events }) {
  const content = body ? pretty(body) : eventText(events.map((event) => ({ ...event, data: event.data && pretty(event.data) }))).trim();
  return [`HTTP/1.1 ${status}`, ...lines(headers), ...(content ? ["", content] : [])].join("\n");
}

/** A whole exchange. */
export function exchange(recorded) {
  return [request(recorded.request), recorded.response ? response(recorded.response) : "no response"].join("\n\n");
}
