/** HTTP as the workbench sees it: each request and every byte of its response goes into the recording. */

import { readEvents } from "./sse.js";

/** The server refused: an HTTP status that is no success, or a JSON-RPC error. */
export class Refusal extends Error {
  /**
   * @param {string} message
   * @param {{status?: number, code?: number, data?: any, reply?: Reply}} details
   */
  constructor(message, { status = null, code = null, data = undefined, reply = null } = {}) {
    super(message);
    this.name = "Refusal";
    Object.assign(this, { status, code, data, reply });
  }
}

/** Nobody answered: there was no connection, or it broke. */
export class Disconnected extends Error {
  constructor(message, { cut = false } = {}) {
    super(message);
    this.name = "Disconnected";
    this.cut = cut;
  }
}

/** A response whose head has arrived. */
export class Reply {
  #response;
  #read = null;

  constructor(response, exchange) {
    this.#response = response;
    this.exchange = exchange;
    this.status = response.status;
    this.headers = response.headers;
  }

  get isStream() {
    return this.#contentType === "text/event-stream";
  }

  get isJson() {
    return this.#contentType === "application/json" || this.#contentType.endsWith("+json");
  }

  get #contentType() {
    return (this.headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
  }

  /** The name of the process that served it, if the server says so. */
  get servedBy() {
    return this.headers.get("x-served-by");
  }

  /** How long to wait before trying again (RFC 9110, Retry-After), in milliseconds; null if it does not say. */
  get retryAfter() {
    const value = this.headers.get("retry-after");
    if (value === null) return null;
    const milliseconds = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
    return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : null;
  }

  /** The whole body. */
  text() {
    this.#read ??= this.#readText();
    return this.#read;
  }

  async #readText() {
    try {
      const text = await this.#response.text();
      if (text) this.exchange.body(text);
      this.exchange.end({});
      return text;
    } catch (error) {
      throw ended(this.exchange, error);
    }
  }

  /** The body as JSON; undefined if it is none. */
  async json() {
    const text = await this.text();
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  }

  /** The events of a stream. Ends when the server ends it, and throws `Disconnected` when it breaks. */
  async *events() {
    let isOver = false;
    try {
      for await (const event of readEvents(this.#response.body)) {
        this.exchange.event(event);
        yield event;
      }
      isOver = true;
      this.exchange.end({});
    } catch (error) {
      isOver = true;
      throw ended(this.exchange, error);
    } finally {
      if (!isOver) this.exchange.end({});
    }
  }
}

function ended(exchange, error) {
  const cut = error?.name === "AbortError";
  exchange.end(cut ? { cut: true } : { error: error.message });
  return new Disconnected(cut ? "The connection was cut." : "The connection broke.", { cut });
}

/** Sends requests. */
export class Http {
  /**
   * @param {Object} options
   * @param {Object} options.recording Where exchanges are recorded (`recording.js`).
   * @param {typeof fetch} [options.fetch]
   * @param {string} [options.origin] Paths of this origin are recorded without it.
   */
  constructor({ recording, fetch: send = (...args) => fetch(...args), origin = globalThis.location?.origin ?? "" }) {
    this.recording = recording;
    this.process = null; // the process that the development relay is asked for, by name
    this._fetch = send;
    this._origin = origin;
  }

  /**
   * Send a request and wait for the head of its response.
   *
   * @param {Object} request
   * @param {string} request.method
   * @param {string} request.url
   * @param {Object<string, string>} [request.headers]
   * @param {string|null} [request.body]
   * @param {string} [request.lane] Lane of the recording.
   * @param {Object} [request.parent] The exchange that it belongs to.
   * @param {string} [request.revision]
   * @param {string} [request.note]
   * @param {string|null} [request.process] Overrides `this.process`.
   * @param {AbortSignal} [request.signal]
   * @returns {Promise<Reply>}
   * @throws {Disconnected}
   */
  async send({ method, url, headers = {}, body = null, lane, parent, revision = null, note = "", process, signal }) {
    const target = process === undefined ? this.process : process;
    const isOwn = this._origin !== "" && url.startsWith(`${this._origin}/`);
    const all = target && isOwn ? { ...headers, "X-Try-Process": target } : headers;
    const path = isOwn ? url.slice(this._origin.length) : url;
    const exchange = this.recording.begin({ lane, parent, revision, note, request: { method, path, headers: all, body } });
    try {
      const response = await this._fetch(url, { method, headers: all, body, signal, cache: "no-store", credentials: "omit", redirect: "follow" });
      exchange.respond({ status: response.status, headers: response.headers });
      return new Reply(response, exchange);
    } catch (error) {
      throw ended(exchange, error);
    }
  }
}
