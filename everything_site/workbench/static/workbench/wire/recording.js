/**
 * Everything that went over the wire, as one recording (version 1). The wire log, the sequence diagram, the
 * tour, the scenes and the exports all read this format; the client and the tour's recorder write it.
 *
 * Times (`at`) are seconds since the recording started. Headers are lists of `[name, value]`, as they were
 * sent. Bodies and the data of events are text.
 */

import { laneOf, parentOf } from "../protocol/messages.js";
import { SecretMask } from "./secrets.js";

export const VERSION = 1;
export const MAX_EXCHANGES = 500;
export const MAX_BYTES = 8 * 1024 * 1024;

const epoch = () => performance.timeOrigin + performance.now();

/** Headers of any kind (an object, `Headers`, pairs) as a list of `[name, value]`. */
export function pairs(headers) {
  if (!headers) return [];
  if (Array.isArray(headers)) return headers.map(([name, value]) => [String(name), String(value)]);
  if (typeof headers.entries === "function") return [...headers.entries()];
  return Object.entries(headers).map(([name, value]) => [name, String(value)]);
}

/** The value of a header, or null. */
export function header(headers, name) {
  const found = (headers ?? []).find(([key]) => key.toLowerCase() === name.toLowerCase());
  return found ? found[1] : null;
}

/** One HTTP request and what came back for it, as far as it came. */
export class Exchange {
  #recording;

  constructor(recording, fields) {
    this.#recording = recording;
    this.id = fields.id;
    this.parent = fields.parent ?? null;
    this.lane = fields.lane;
    this.from = fields.from ?? "client";
    this.to = fields.to ?? "server";
    this.at = fields.at;
    this.revision = fields.revision ?? null;
    this.note = fields.note ?? "";
    this.request = fields.request;
    this.response = fields.response ?? null;
    this.servedBy = fields.servedBy ?? null;
    this.marks = fields.marks ?? [];
    this.endedAt = fields.endedAt ?? null;
    this.cut = fields.cut ?? false;
    this.error = fields.error ?? null;
    this.bytes = sizeOf(this);
  }

  get isOpen() {
    return this.endedAt === null;
  }

  /** The status line and the headers arrived. */
  respond({ status, headers }) {
    this.response = { at: this.#recording.elapsed(), status, headers: pairs(headers), body: null, events: [] };
    this.servedBy = header(this.response.headers, "x-served-by");
    this.#grow("response", lengthOf(this.response.headers));
  }

  /** A body arrived that is no event stream. A further call appends to it. */
  body(text) {
    this.response.body = (this.response.body ?? "") + text;
    this.#grow("body", text.length);
  }

  /** An event of the response's stream arrived: `{id, event, data, retry}`, or `{comment}`. */
  event(fields) {
    const event = { at: this.#recording.elapsed() };
    for (const key of ["id", "event", "data", "retry", "comment"]) {
      if (fields[key] !== undefined && fields[key] !== null) event[key] = fields[key];
    }
    this.response.events.push(event);
    this.#grow("event", (event.data ?? "").length + 64);
    return event;
  }

  /** Nothing more will come: it is complete, or it was `cut`, or it failed with an `error` (text). */
  end({ cut = false, error = null } = {}) {
    if (!this.isOpen) return;
    this.endedAt = this.#recording.elapsed();
    this.cut = cut;
    this.error = error;
    this.#grow("end", 0);
  }

  mark(text, kind = "note") {
    const mark = { at: this.#recording.elapsed(), kind, text };
    this.marks.push(mark);
    this.#grow("mark", text.length);
    return mark;
  }

  toJSON() {
    const { id, parent, lane, from, to, at, revision, request, response, servedBy, note, marks, endedAt, cut, error } = this;
    return { id, parent, lane, from, to, at, revision, request, response, servedBy, note, marks, endedAt, cut, error };
  }

  #grow(kind, bytes) {
    this.bytes += bytes;
    this.#recording.grew(this, kind, bytes);
  }
}

/**
 * The exchanges of a page or a recording of the tour, oldest first. Dispatches `change` with
 * `detail: {exchange, kind}`; the kinds are begin, response, body, event, end, mark, drop and clear.
 */
export class Recording extends EventTarget {
  #bytes = 0;
  #now;
  #limits;
  #byId = new Map();

  constructor({ now = epoch, maxExchanges = MAX_EXCHANGES, maxBytes = MAX_BYTES } = {}) {
    super();
    this.#now = now;
    this.#limits = { maxExchanges, maxBytes };
    this.startedAt = now();
    this.entities = [];
    this.exchanges = [];
    this.marks = [];
    this.room = [];
    this.dropped = 0;
    this.lastId = 0;
  }

  /** Seconds since the recording started. */
  elapsed() {
    return Math.max(0, Math.round(this.#now() - this.startedAt) / 1000);
  }

  /**
   * A request leaves. What belongs to another exchange finds it by itself: an answer the question's, a
   * resumption the broken stream's, a further round the first one's; `parent` (an exchange or its id) overrides.
   */
  begin({ lane, parent, request, revision = null, note = "", from = "client", to = "server" }) {
    const sent = { method: request.method, path: request.path, headers: pairs(request.headers), body: request.body ?? null };
    const known = parent === undefined ? parentOf(this.exchanges, sent) : parent;
    const exchange = new Exchange(this, {
      id: ++this.lastId,
      parent: known?.id ?? known ?? null,
      lane: lane ?? laneOf(sent),
      at: this.elapsed(),
      request: sent,
      revision,
      note,
      from,
      to,
    });
    this.exchanges.push(exchange);
    this.#byId.set(exchange.id, exchange);
    this.grew(exchange, "begin", exchange.bytes);
    return exchange;
  }

  find(id) {
    return this.#byId.get(Number(id)) ?? null;
  }

  /** Note what happened beside the messages. Kinds: cut, resume, killed, waiting, note. */
  mark(text, { exchange = null, kind = "note" } = {}) {
    if (exchange) return exchange.mark(text, kind);
    const mark = { at: this.elapsed(), kind, text };
    this.marks.push(mark);
    this.#changed(null, "mark");
    return mark;
  }

  /** Forget everything but the exchanges that are open, whose rest is still to come. */
  clear() {
    this.exchanges = this.exchanges.filter(({ isOpen }) => isOpen);
    this.marks = [];
    this.room = [];
    this.dropped = 0;
    this.#byId = new Map(this.exchanges.map((exchange) => [exchange.id, exchange]));
    this.#bytes = this.exchanges.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#changed(null, "clear");
  }

  /** Called by exchanges: one of them has become longer. */
  grew(exchange, kind, bytes) {
    if (this.find(exchange.id) !== exchange) return; // it was dropped before it ended
    this.#bytes += bytes;
    this.#dropOldest(exchange);
    this.#changed(exchange, kind);
  }

  #dropOldest(growing) {
    const { maxExchanges, maxBytes } = this.#limits;
    while (this.exchanges.length > 1 && (this.exchanges.length > maxExchanges || this.#bytes > maxBytes)) {
      const isSpare = (exchange) => exchange !== growing;
      const oldest = this.exchanges.find((one) => isSpare(one) && !one.isOpen) ?? this.exchanges.find(isSpare);
      this.exchanges.splice(this.exchanges.indexOf(oldest), 1);
      this.#byId.delete(oldest.id);
      this.#bytes -= oldest.bytes;
      this.dropped += 1;
      this.#changed(oldest, "drop");
    }
  }

  #changed(exchange, kind) {
    this.dispatchEvent(Object.assign(new Event("change"), { detail: { exchange, kind } }));
  }

  toJSON() {
    const { startedAt, entities, dropped, marks, room } = this;
    const exchanges = this.exchanges.map((exchange) => exchange.toJSON());
    return { version: VERSION, startedAt, entities, dropped, marks, exchanges, room };
  }

  /** The recording as JSON, without tokens, codes, verifiers and cookies, wherever they appear. */
  masked() {
    return new SecretMask(this).apply(this.toJSON());
  }

  /**
   * A recording from its JSON (an object). It can go on: ids and times continue. What was open is over, since
   * nobody reads it any more, unless `keepOpen`.
   */
  static fromJSON(json, { keepOpen = false, ...options } = {}) {
    if (json?.version !== VERSION) throw new Error(`This is a recording of version ${json?.version}, not ${VERSION}.`);
    const recording = new Recording(options);
    recording.startedAt = json.startedAt ?? recording.startedAt;
    recording.entities = json.entities ?? [];
    recording.dropped = json.dropped ?? 0;
    recording.marks = [...(json.marks ?? [])];
    recording.room = [...(json.room ?? [])];
    for (const one of json.exchanges) recording.#restore(one, keepOpen);
    return recording;
  }

  #restore(one, keepOpen) {
    const request = { ...one.request, headers: pairs(one.request.headers), body: one.request.body ?? null };
    const response = one.response && {
      ...one.response,
      headers: pairs(one.response.headers),
      body: one.response.body ?? null,
      events: one.response.events ?? [],
    };
    const parent = one.parent === undefined ? parentOf(this.exchanges, request)?.id : one.parent;
    const fields = { ...one, request, response, parent, lane: one.lane ?? laneOf(request), marks: [...(one.marks ?? [])] };
    const exchange = new Exchange(this, fields);
    if (exchange.isOpen && !keepOpen) {
      exchange.endedAt = exchange.response?.events.at(-1)?.at ?? exchange.response?.at ?? exchange.at;
      exchange.cut = true;
    }
    this.exchanges.push(exchange);
    this.#byId.set(exchange.id, exchange);
    this.#bytes += exchange.bytes;
    this.lastId = Math.max(this.lastId, Number(exchange.id));
  }
}

function lengthOf(headers) {
  return headers.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0);
}

function sizeOf({ request, response }) {
  const sent = request.path.length + lengthOf(request.headers) + (request.body ?? "").length;
  if (!response) return sent;
  const events = response.events.reduce((sum, event) => sum + (event.data ?? "").length + 64, 0);
  return sent + lengthOf(response.headers) + (response.body ?? "").length + events;
}
