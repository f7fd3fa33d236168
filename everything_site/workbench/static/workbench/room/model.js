/**
 * What the machine room knows: processes, sessions, calls with their leases, and the last events. It knows no DOM.
 *
 * Messages come from the feed: `{process, life, events: [{type, at, …}], more, state}`. They may be lost, so the state
 * that each process sends every second corrects what the events say.
 */

import { processColour } from "../base/units.js";
import { sentence } from "./words.js";

/** After how many seconds without a beat a process counts as late, as gone, and is no longer shown. */
export const LATE = 2.5;
export const GONE = 8;
export const FORGOTTEN = 30;

const MAX_EVENTS = 20;
/** Among how many of the last events one that says the same is counted instead of repeated. */
const ALIKE = 6;
const MAX_TICKS = 48;
const MAX_SESSIONS = 40;
const SETTLED_SECONDS = 4;
const SESSION_SECONDS = 60;

/** The name under which calls without a session (2026-07-28) are shown. */
export const NO_SESSION = "2026-07-28";

/** Dispatches `change` after each message, and `event` with each event in `detail`. */
export class RoomModel extends EventTarget {
  /** By key: `{key, name, life, index, state, seen, draining, leaseMs, streams, running, requests, questions}`. */
  processes = new Map();
  /** By id: `{id, client, user, entries, ticks, seen, asking}`. */
  sessions = new Map();
  /** By call: `{call, session, process, tool, method, runs, renewedAt, leaseMs, state, endedAt}`. */
  calls = new Map();
  /** The last events, newest first: `{at, text, type, times}`. */
  events = [];
  /** Database queries since the room was opened, and when there were any last. */
  queries = { total: 0, at: 0 };

  /** The processes in the order of their names, `p2` before `p10`. */
  get ordered() {
    return [...this.processes.values()].sort((one, other) =>
      one.name.localeCompare(other.name, "en", { numeric: true }),
    );
  }

  /**
   * Take a message of a process.
   *
   * @param {Object} message
   * @param {number} now Seconds.
   */
  apply(message, now) {
    const process = this.#process(message, now);
    process.leaseMs = message.state?.lease_ms ?? process.leaseMs;
    for (const event of message.events ?? []) {
      this.#apply({ ...event, process: process.name }, process, now);
    }
    for (const [type, times] of Object.entries(message.more ?? {}))
      this.#tell({ type: "more", at: now, process: process.name, kind: type, times });
    if (message.state) this.#correct(process, message.state, now);
    this.dispatchEvent(new Event("change"));
  }

  /** A process has died, says whoever knows it better than its beats do. */
  lost(key, now) {
    const process = this.processes.get(key);
    if (!process || process.state === "gone") return;
    process.state = "gone";
    process.streams = [];
    process.running = 0;
    this.#tell({ type: "process.gone", at: now, process: process.name });
    this.dispatchEvent(new Event("change"));
  }

  /** Let time pass: processes that send no beats are late, and then gone; what has ended is forgotten. */
  tick(now) {
    for (const process of this.processes.values()) {
      const silent = now - process.seen;
      if (silent > GONE) this.lost(process.key, now);
      else if ((process.state === "up" || process.state === "draining") && silent > LATE) {
        process.state = "late";
        this.#tell({ type: "process.late", at: now, process: process.name });
      }
      if (silent > FORGOTTEN) this.processes.delete(process.key);
    }
    for (const call of this.calls.values())
      if (call.endedAt && now - call.endedAt > SETTLED_SECONDS) this.calls.delete(call.call);
    const used = new Set([...this.calls.values()].map((call) => call.session));
    for (const process of this.processes.values()) for (const stream of process.streams) used.add(stream.session);
    for (const session of this.sessions.values())
      if (!used.has(session.id) && now - session.seen > SESSION_SECONDS) this.sessions.delete(session.id);
    this.dispatchEvent(new Event("change"));
  }

  /** Forget everything: the connection was lost. */
  clear() {
    for (const map of [this.processes, this.sessions, this.calls]) map.clear();
    this.dispatchEvent(new Event("change"));
  }

  #process({ process: name, life }, now) {
    let found = this.processes.get(name);
    if (found && found.life !== life && now - found.seen < LATE && found.state !== "gone")
      found = this.processes.get(`${name} ${life}`); // another one of the same name
    if (found?.life === life) {
      found.seen = now;
      if (found.state === "late") found.state = "up";
      return found;
    }
    const taken = this.processes.get(name); // still there: two processes have the same name
    const key = taken && taken.state !== "gone" && now - taken.seen < LATE ? `${name} ${life}` : name;
    const isKnown = this.processes.has(key);
    const process = {
      key, name, life, index: processColour(name), state: "up", seen: now, leaseMs: 10_000,
      streams: [], running: 0, requests: 0, questions: new Set(),
    };
    this.processes.set(key, process);
    this.#tell({ type: isKnown ? "process.back" : "process.up", at: now, process: name });
    return process;
  }

  #session(id, now) {
    let session = this.sessions.get(id);
    if (!session) {
      if (this.sessions.size >= MAX_SESSIONS) this.sessions.delete(this.sessions.keys().next().value);
      session = { id, client: "", user: "", entries: 0, ticks: [], seen: now, asking: new Set() };
      this.sessions.set(id, session);
    }
    session.seen = now;
    return session;
  }

  #apply(event, process, now) {
    const session = this.#session(event.session ?? NO_SESSION, now);
    switch (event.type) {
      case "request.start":
        process.running += 1;
        process.requests += 1;
        break;
      case "request.end":
        process.running = Math.max(0, process.running - 1);
        break;
      case "log.append":
        session.entries += 1;
        session.ticks.push({ process: process.index, at: event.at, key: session.entries });
        session.ticks.splice(0, session.ticks.length - MAX_TICKS);
        break;
      case "call.registered":
      case "call.renewed":
      case "call.taken":
        this.#hold(event, process, now);
        break;
      case "call.expired":
        if (this.calls.has(event.call)) this.calls.get(event.call).state = "expired";
        break;
      case "call.settled":
        if (this.calls.has(event.call)) this.#settle(this.calls.get(event.call), now);
        break;
      case "question.asked":
        if (event.request) {
          process.questions.add(event.request);
          session.asking.add(event.request);
        }
        break;
      case "question.answered":
        for (const other of this.processes.values()) other.questions.delete(event.request);
        session.asking.delete(event.request);
        break;
      case "process.gone":
        return this.lost(process.key, now);
    }
    this.#tell(event);
  }

  #hold(event, process, now) {
    const call = this.calls.get(event.call) ?? { call: event.call, session: event.session, tool: "", method: event.method ?? "", runs: 1 };
    Object.assign(call, { process: process.key, renewedAt: now, leaseMs: process.leaseMs, state: "running", endedAt: 0 });
    if (event.runs) call.runs = event.runs;
    this.calls.set(event.call, call);
  }

  /** The call has ended, and with the last one of a session, whatever its client was asked. */
  #settle(call, now) {
    Object.assign(call, { state: "settled", endedAt: now });
    const session = this.sessions.get(call.session);
    const isOver = ({ session: id, state }) => id !== call.session || state === "settled";
    if (!session?.asking.size || ![...this.calls.values()].every(isOver)) return;
    for (const request of session.asking) for (const process of this.processes.values()) process.questions.delete(request);
    session.asking.clear();
  }

  #correct(process, state, now) {
    if (process.state === "gone") return; // its last words
    process.state = state.draining ? "draining" : "up";
    process.streams = state.streams;
    for (const stream of state.streams) Object.assign(this.#session(stream.session, now), { client: stream.client, user: stream.user });
    const listed = new Set(state.calls.map((call) => call.call));
    for (const known of state.calls) {
      this.#session(known.session, now);
      const call = this.calls.get(known.call);
      if (!call) this.#hold(known, process, now);
      Object.assign(this.calls.get(known.call), { tool: known.tool ?? "", method: known.method, runs: known.runs });
    }
    for (const call of this.calls.values())
      if (call.process === process.key && call.state === "running" && !listed.has(call.call) && now - call.renewedAt > 1)
        this.#settle(call, now);
    if (!state.calls.length && !process.running) process.questions.clear(); // an event was lost
    if (state.queries) this.queries = { total: this.queries.total + state.queries, at: now };
  }

  #tell(event) {
    const text = sentence(event);
    if (text) {
      const same = this.events.slice(0, ALIKE).find((one) => one.text === text);
      if (same) this.events.splice(this.events.indexOf(same), 1);
      this.events.unshift({ at: event.at, text, type: event.type, times: (same?.times ?? 0) + 1 });
      this.events.splice(MAX_EVENTS);
    }
    this.dispatchEvent(new CustomEvent("event", { detail: event }));
  }
}
