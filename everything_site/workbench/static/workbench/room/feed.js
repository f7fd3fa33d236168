/** The event stream of the machine room, kept open while the page is visible. */

import { readEvents } from "../protocol/sse.js";

const PAUSES = [1000, 2000, 4000, 8000];

const REASONS = {
  401: "Sign in to see your sessions here.",
  403: "You are not allowed to watch this.",
  429: "Too many of your streams are open. Close one first.",
  503: "The server is not ready, or too many people are watching.",
};

/** Dispatches `message` with a message of a process in `detail`, and `status` with a sentence, empty if all is well. */
export class RoomFeed extends EventTarget {
  /** The process at the other end; empty if it does not say. */
  servedBy = "";
  #abort = null;
  #where;

  /** @param {{url: string, token?: string | (() => string | Promise<string>)}} where Without a token, cookies are sent. */
  constructor(where) {
    super();
    this.#where = where;
  }

  /** Connect, and again whenever the connection is lost. */
  open() {
    if (this.#abort) return;
    this.#abort = new AbortController();
    this.#run(this.#abort.signal);
  }

  close() {
    this.#abort?.abort();
    this.#abort = null;
  }

  async #run(signal) {
    for (let attempt = 0; !signal.aborted; ) {
      try {
        const response = await this.#connect(signal);
        if (response.ok) {
          attempt = 0;
          this.servedBy = response.headers.get("X-Served-By") ?? "";
          this.#say("");
          for await (const event of readEvents(response.body))
            if (event.data) this.dispatchEvent(new CustomEvent("message", { detail: JSON.parse(event.data) }));
        } else {
          this.#say(REASONS[response.status] ?? `The server answers ${response.status}.`);
        }
      } catch (error) {
        if (!signal.aborted) this.#say("The connection was lost; trying again.");
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSES[Math.min(attempt++, PAUSES.length - 1)]));
    }
  }

  async #connect(signal) {
    const { url, token } = this.#where;
    const bearer = typeof token === "function" ? await token() : token;
    const headers = { Accept: "text/event-stream", ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}) };
    return fetch(url, { headers, signal, cache: "no-store", credentials: bearer ? "omit" : "same-origin" });
  }

  #say(text) {
    this.dispatchEvent(new CustomEvent("status", { detail: text }));
  }
}
