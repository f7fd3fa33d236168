/** Which exchanges a filter leaves: `{text, lane, kind, process, errors}`, each of them optional. */

import { hasFailed, isStream, kindOf, sent } from "../protocol/messages.js";

export const KINDS = {
  requests: (exchange) => kindOf(sent(exchange.request)[0]) === "request",
  streams: isStream,
  notifications: (exchange) => kindOf(sent(exchange.request)[0]) === "notification",
  answers: (exchange) => ["result", "error"].includes(kindOf(sent(exchange.request)[0])),
  documents: (exchange) => sent(exchange.request).length === 0 && !isStream(exchange),
};

const FIELDS = ["text", "lane", "kind", "process", "errors"];

/** A filter as text for a URL; null if it leaves everything. */
export function toText(filter) {
  const text = new URLSearchParams(FIELDS.flatMap((field) => (filter[field] ? [[field, String(filter[field])]] : []))).toString();
  return text || null;
}

/** The reverse of `toText`; what it does not know is left out. */
export function fromText(text) {
  const known = [...new URLSearchParams(text)].filter(([field, value]) => FIELDS.includes(field) && value);
  return Object.fromEntries(known.map(([field, value]) => [field, field === "errors" ? true : value]));
}

/** What there is to choose from: lanes and processes, in the order of their appearance. */
export function options(exchanges) {
  const lanes = new Set(exchanges.map(({ lane }) => lane));
  const processes = new Set(exchanges.map(({ servedBy }) => servedBy).filter(Boolean));
  return { lanes: [...lanes], processes: [...processes] };
}

export function matches(exchange, { text, lane, kind, process, errors }) {
  if (lane && exchange.lane !== lane) return false;
  if (process && exchange.servedBy !== process) return false;
  if (kind && !KINDS[kind]?.(exchange)) return false;
  if (errors && !hasFailed(exchange)) return false;
  return !text || haystack(exchange).includes(text.toLowerCase());
}

function haystack({ request, response, note, marks }) {
  const parts = [request.method, request.path, request.headers.flat(), request.body, note, marks.map((mark) => mark.text)];
  if (response) parts.push(response.status, response.headers.flat(), response.body, response.events.map((event) => event.data));
  return parts.flat().join("\n").toLowerCase();
}
