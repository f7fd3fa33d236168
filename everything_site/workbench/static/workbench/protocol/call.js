/** A request that runs: its state, what it waits for, and the controls that a person has over it. */

import { Disconnected, Refusal } from "./http.js";

/** A person, or the page, cancelled the call. */
export class Cancelled extends Error {
  constructor(reason = "Cancelled") {
    super(reason);
    this.name = "Cancelled";
  }
}

const RETRY_SECONDS = [1, 2, 4, 8];

/** How long to wait before the attempt of that number (from 0) to reach a server that is gone, in milliseconds. */
export const backoff = (attempt) => RETRY_SECONDS[Math.min(attempt, RETRY_SECONDS.length - 1)] * 1000;

/**
 * One call. Dispatches `change` whenever anything below changes.
 *
 * States: queued, sent, streaming, asking, cut, waiting, resuming, done, failed, cancelled.
 */
export class Call extends EventTarget {
  #settle;
  #wake = null;

  /**
   * @param {Object} client The client that sends it.
   * @param {{id: number|string, method: string, params?: Object, note?: string, lane?: string}} request
   * @param {{onProgress?: (progress: Object) => void}} options
   */
  constructor(client, { id, method, params = undefined, note = "", lane = undefined }, { onProgress } = {}) {
    super();
    Object.assign(this, { client, id, method, params, note, lane, onProgress });
    this.state = "sent";
    this.status = null; // {text, until}: what it waits for, and until when (milliseconds since 1970)
    this.progress = null;
    this.progressCount = 0;
    this.exchange = null; // the latest one
    this.servedBy = null;
    this.processes = []; // all that served it, in order
    this.lastEventId = null;
    this.lastEventAt = null;
    this.lost = null; // {process, at}: the process whose connection broke last, until there is an event again
    this.retry = null; // what the server asks for between connections, in milliseconds
    this.questions = new Map(); // by id: those that wait for an answer
    this.startedAt = Date.now();
    this.endedAt = null;
    this.result = null;
    this.error = null;
    this.connection = null; // the AbortController of the open connection
    this.cancellation = new AbortController();
    this.promise = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.promise.catch(() => {}); // who does not wait for it reads `error`
  }

  get isOver() {
    return this.endedAt !== null;
  }

  get canBeCut() {
    return this.state === "streaming";
  }

  /** Set some of the fields above, and tell. */
  update(fields) {
    Object.assign(this, fields);
    this.dispatchEvent(new Event("change"));
  }

  /** Note which process answers, and on which exchange. */
  attached(reply) {
    const { servedBy } = reply;
    if (servedBy && this.processes.at(-1) !== servedBy) this.processes.push(servedBy);
    this.update({ exchange: reply.exchange, servedBy: servedBy ?? this.servedBy });
  }

  /** Run `work`, which returns the result, and settle the call by it. */
  async run(work) {
    try {
      const result = await work();
      this.#end("done", { result });
      this.#settle.resolve(result);
    } catch (error) {
      const isCancelled = error instanceof Cancelled || this.cancellation.signal.aborted;
      const reason = isCancelled ? (this.cancellation.signal.reason ?? error) : error;
      this.#end(isCancelled ? "cancelled" : "failed", { error: reason });
      this.#settle.reject(reason);
    }
    return this;
  }

  #end(state, fields) {
    const why = state === "done" ? "The call was answered." : `The call ended: ${fields.error.message}`;
    for (const id of this.questions.keys()) this.client.withdraw(id, why);
    this.questions.clear();
    this.update({ state, status: null, endedAt: Date.now(), connection: null, ...fields });
    this.client.ended(this);
  }

  /** A notification of progress for it. */
  progressed(params) {
    this.progressCount += 1;
    this.onProgress?.(params);
    this.update({ progress: params, status: this.state === "streaming" ? null : this.status });
  }

  /** Wait for a place among the streams that may be open; returns what gives it back. */
  place({ listens = false } = {}) {
    const text = listens ? "Queued: three streams listen already" : "Queued: four streams are open";
    const onQueued = () => this.update({ state: "queued", status: { text, until: null } });
    return this.client.budget.acquire({ signal: this.cancellation.signal, onQueued, listens });
  }

  /** Note what an event tells besides its message. */
  heard(event) {
    this.lastEventAt = Date.now();
    if (event.retry !== undefined) this.retry = event.retry;
    if (event.id) this.lastEventId = event.id;
    if (event.data && this.lost) this.update({ lost: null });
    this.client.saved();
  }

  /** Open a connection: `send` gets a signal that `cut` and `cancel` fire. */
  async connect(send) {
    const connection = new AbortController();
    this.update({ connection });
    const signal = AbortSignal.any([connection.signal, this.cancellation.signal]);
    const reply = await send(signal);
    this.attached(reply);
    return reply;
  }

  /** Break the connection, and let the call run on: it waits until `resume`. */
  cut() {
    if (!this.canBeCut) return;
    this.isCutByPerson = true;
    this.connection.abort(new DOMException("Cut by you", "AbortError"));
    this.client.recording.mark("cut by you", { exchange: this.exchange, kind: "cut" });
  }

  /** Go on now, at a process if one is named. */
  resume({ process } = {}) {
    this.resumeAt = process ?? null;
    this.#wake?.();
  }

  /** Wait for `milliseconds`, or for ever if null, or until `resume` is called; `text` says for what. */
  async pause(state, text, milliseconds) {
    this.update({ state, status: { text, until: milliseconds === null ? null : Date.now() + milliseconds } });
    let timer;
    let onCancel;
    try {
      await new Promise((resolve, reject) => {
        this.#wake = resolve;
        onCancel = () => reject(this.cancellation.signal.reason);
        this.cancellation.signal.throwIfAborted();
        this.cancellation.signal.addEventListener("abort", onCancel);
        if (milliseconds !== null) timer = setTimeout(resolve, milliseconds);
      });
    } finally {
      clearTimeout(timer);
      this.cancellation.signal.removeEventListener("abort", onCancel);
      this.#wake = null;
      this.update({ status: null });
    }
  }

  /** Cancel it, as its revision says: a notification, or closing the connection. */
  cancel(reason = "Cancelled by you") {
    if (this.isOver) return;
    this.client.cancelling(this, reason);
    this.cancellation.abort(new Cancelled(reason));
  }

  /**
   * Send it, again and again while the server asks to wait. Resolves with the first reply that is no refusal.
   *
   * @param {(signal: AbortSignal) => Promise<Object>} send
   * @param {{again?: boolean}} [options] Whether to send it again when the connection breaks: not what may have an effect.
   */
  async patiently(send, { again = true } = {}) {
    for (let attempt = 0; ; attempt += 1) {
      let reply;
      try {
        reply = await this.connect(send);
      } catch (error) {
        if (this.cancellation.signal.aborted) throw this.cancellation.signal.reason;
        if (!(error instanceof Disconnected) || error.cut || attempt >= 6) throw error;
        if (!again) throw new Disconnected("The connection broke before the response. The server may or may not have run the call.");
        await this.pause("waiting", "The server does not answer; trying again", backoff(attempt));
        continue;
      }
      if (![429, 503].includes(reply.status) || reply.retryAfter === null || attempt >= 4) return reply;
      const refusal = await refusalOf(reply);
      const why = reply.status === 429 ? "too many requests" : refusal.message;
      await this.pause("waiting", `${reply.status}: ${why}; trying again`, reply.retryAfter);
    }
  }

  /** What a reload needs to take it up again. */
  save() {
    const { id, method, params, note, lastEventId, startedAt, progress, retry, servedBy } = this;
    return { id, method, params, note, lastEventId, startedAt, progress, retry, servedBy, questions: [...this.questions.values()] };
  }
}

/** The refusal that a reply is: an HTTP status with, usually, a JSON-RPC error. */
export async function refusalOf(reply) {
  const body = await reply.json();
  const { code = null, message, data } = body?.error && typeof body.error === "object" ? body.error : {};
  const text = message ?? body?.error_description ?? body?.error ?? `HTTP ${reply.status}`;
  return new Refusal(String(text), { status: reply.status, code, data, reply });
}

/** The result of a response, or the error that it is, thrown. */
export function resultOf(message, reply) {
  if ("error" in message) {
    const { code, message: text, data } = message.error ?? {};
    throw new Refusal(String(text), { status: reply?.status ?? null, code, data, reply });
  }
  return message.result;
}
