/**
 * A recording as a sequence diagram, without drawing it: lifelines, and rows from top to bottom.
 *
 * A row is an arrow (`from`, `to`, `tone`, `line`: solid, dashed or dotted), a `note`, a `gap` or a `fold`. All have
 * `label`, `at`, `spoken` (a sentence for screen readers) and, but for gaps, `exchange` (an id or null).
 */

import { duration } from "../base/units.js";
import { eventTitle, hasFailed, isStream, kindOf, received, sent, titleOf } from "../protocol/messages.js";

const MIN_GAP = 2;
const NAMES = { person: "Person", client: "Client", server: "Server", redis: "Redis", "authorization server": "Authorization server" };
const ORDER = ["person", "client", "server"];
const LAST = ["redis", "authorization server"];

/** `{lifelines: [{id, name}], rows, bars: [{lifeline, first, last}], ends: [{lifeline, row}]}`. */
export function diagramOf({ exchanges, room = [], marks = [] }) {
  const folded = handshake(exchanges);
  const moments = [
    ...exchanges.filter(({ id }) => !folded.ids.has(id)).flatMap(momentsOf),
    ...folded.rows,
    ...room.flatMap(roomMoments),
    ...marks.map((mark) => note(mark, null)),
  ];
  moments.sort((one, other) => one.at - other.at || (one.exchange ?? Infinity) - (other.exchange ?? Infinity) || 0);
  const rows = withGaps(moments);
  return { lifelines: lifelinesOf(rows), rows, bars: barsOf(rows), ends: endsOf(rows) };
}

/** Where an exchange goes: the process that served it, if that is known. */
function target({ to, servedBy }) {
  return to === "server" && servedBy ? servedBy : to;
}

function name(id) {
  return NAMES[id] ?? id;
}

function momentsOf(exchange) {
  const there = target(exchange);
  const back = exchange.from;
  const base = { exchange: exchange.id };
  const { method, subject } = titleOf(exchange);
  const title = subject ? `${method} ${subject}` : method;
  const isAnswer = sent(exchange.request).some((message) => !("method" in message));
  const moments = [arrow({ ...base, at: exchange.at, from: back, to: there, label: title, tone: isAnswer ? "question" : "request", line: "solid", word: "request" })];
  const { response } = exchange;
  const stream = isStream(exchange);
  if (response && !stream) {
    const label = answerLabel(exchange);
    moments.push(arrow({ ...base, at: exchange.endedAt ?? response.at, from: there, to: back, label, tone: hasFailed(exchange) ? "error" : "ok", line: "solid", word: "response" }));
  }
  if (stream) moments.push(...response.events.filter(({ comment }) => comment === undefined).map((event) => eventMoment(event, exchange, there)));
  moments.push(...exchange.marks.map((mark) => note(mark, exchange.id)));
  if (stream) Object.assign(moments.at(-1), { closes: exchange.id });
  return moments;
}

function eventMoment(event, exchange, there) {
  const { label, tone } = eventTitle(event);
  return arrow({ exchange: exchange.id, stream: exchange.id, at: event.at, from: there, to: exchange.from, label, tone, line: "dashed", word: "event" });
}

function answerLabel(exchange) {
  const { status } = exchange.response;
  const [answer] = received(exchange);
  if (!answer) return { 202: "202 accepted", 401: "401 challenge", 403: "403 challenge", 302: "302 redirect" }[status] ?? String(status);
  const { error, result } = answer.message;
  if (kindOf(answer.message) === "error") return `${status} error ${error?.code ?? ""}`;
  if (result?.isError) return `${status} result, the tool failed`;
  return `${status} ${result?.resultType === "input_required" ? "input required" : "result"}`;
}

function arrow({ word, ...fields }) {
  return { kind: "arrow", ...fields, spoken: `${name(fields.from)} to ${name(fields.to)}, ${word}, ${fields.label}, ${fields.at.toFixed(1)} seconds` };
}

function note(mark, exchange) {
  return { kind: "note", at: mark.at, label: mark.text, tone: mark.kind, exchange, spoken: `${mark.text.replace(/\.$/, "")}, ${mark.at.toFixed(1)} seconds` };
}

/** Handshakes become one row each. */
function handshake(exchanges) {
  const ids = new Set();
  const rows = [];
  for (const exchange of exchanges) {
    const method = sent(exchange.request)[0]?.method;
    const isFirst = method === "initialize" && !isStream(exchange) && exchange.response?.body;
    if (!isFirst && !(method === "notifications/initialized" && rows.length)) continue;
    ids.add(exchange.id);
    if (isFirst) rows.push({ kind: "fold", tone: "muted", at: exchange.at, from: exchange.from, to: target(exchange), label: "Session opened", exchange: exchange.id, spoken: "Session opened" });
  }
  return { ids, rows };
}

/** What the machine room told: wake-ups, processes that ended, calls that were taken over. */
function roomMoments(event) {
  if (event.type === "wake.sent") {
    return [arrow({ at: event.at, from: event.process, to: event.to, label: "wake-up", tone: "internal", line: "dotted", word: "wake-up through Redis", exchange: null })];
  }
  const labels = {
    "process.gone": `${event.process} is gone`,
    "call.expired": `The lease of ${event.process} has expired`,
    "call.taken": `${event.process} runs the call again`,
  };
  const label = labels[event.type];
  if (!label) return [];
  const ends = event.type === "process.gone" ? { ends: event.process } : {};
  return [{ ...note({ at: event.at, text: label, kind: event.type === "process.gone" ? "killed" : "waiting" }, null), ...ends }];
}

function withGaps(moments) {
  return moments.flatMap((row, index) => {
    const wait = index === 0 ? 0 : row.at - moments[index - 1].at;
    if (wait < MIN_GAP) return [row];
    const label = `⋯ ${duration(wait)}`;
    return [{ kind: "gap", at: moments[index - 1].at, label, spoken: `nothing for ${duration(wait)}` }, row];
  });
}

function lifelinesOf(rows) {
  const acting = new Set(rows.flatMap(({ from, to }) => [from, to]).filter(Boolean));
  const others = [...acting].filter((id) => !ORDER.includes(id) && !LAST.includes(id)).sort();
  const ids = [...ORDER.filter((id) => acting.has(id)), ...others, ...LAST.filter((id) => acting.has(id))];
  return ids.map((id) => ({ id, name: name(id) }));
}

/** An open stream is a bar on the lifeline that sends on it. */
function barsOf(rows) {
  const bars = new Map();
  rows.forEach((row, index) => {
    if (row.stream === undefined) return;
    const known = bars.get(row.stream);
    if (known) known.last = index;
    else bars.set(row.stream, { lifeline: row.from, first: index, last: index });
  });
  return [...bars.values()];
}

function endsOf(rows) {
  return rows.flatMap((row, index) => (row.ends ? [{ lifeline: row.ends, row: index }] : []));
}
