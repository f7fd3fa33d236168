/** Calls of 2024-11-05: requests are posted, and every response comes on the one stream of the session. */

import { Call, backoff, refusalOf, resultOf } from "./call.js";
import { Disconnected } from "./http.js";

export class PostedCall extends Call {
  #respond;

  async perform() {
    const response = new Promise((resolve) => {
      this.#respond = resolve;
    });
    const message = { jsonrpc: "2.0", id: this.id, method: this.method, ...(this.params === undefined ? {} : { params: this.params }) };
    const reply = await this.patiently((signal) => this.client.post(message, { call: this, signal }), { again: !this.client.isLong(this.method) });
    if (reply.status >= 400) throw await refusalOf(reply);
    await reply.text();
    this.update({ state: "streaming", status: { text: "Accepted (202); the response comes on the event stream", until: null } });
    const cancelled = new Promise((_, reject) => {
      this.cancellation.signal.addEventListener("abort", () => reject(this.cancellation.signal.reason), { once: true });
    });
    return resultOf(await Promise.race([response, cancelled]), reply);
  }

  get canBeCut() {
    return false; // its connection is that of the session
  }

  responded(message) {
    this.#respond?.(message);
  }
}

/** The event stream of a session, whose first event names the URL to post to. */
export class SseStream extends Call {
  #ready;

  constructor(...args) {
    super(...args);
    this.endpoint = new Promise((resolve, reject) => {
      this.#ready = { resolve, reject };
    });
    this.endpoint.catch(() => {});
  }

  async perform() {
    const release = await this.place({ listens: true });
    try {
      for (let attempt = 0; ; attempt += 1) {
        const reply = await this.patiently((signal) => this.client.openSse(this.lastEventId, { call: this, signal }));
        if (!reply.isStream) throw await refusalOf(reply);
        await this.#listen(reply);
        if (this.cancellation.signal.aborted) throw this.cancellation.signal.reason;
        await this.pause(this.isCutByPerson ? "cut" : "waiting", "The stream ended; opening it again", this.isCutByPerson ? null : (this.retry ?? backoff(attempt)));
      }
    } catch (error) {
      this.#ready.reject(error);
      throw error;
    } finally {
      release();
    }
  }

  async #listen(reply) {
    this.isCutByPerson = false;
    this.update({ state: "streaming" });
    try {
      for await (const event of reply.events()) {
        this.heard(event);
        if (event.event === "endpoint") this.#ready.resolve(event.data);
        else if (event.data) this.client.receive(JSON.parse(event.data), { call: null, exchange: reply.exchange });
      }
    } catch (error) {
      if (!(error instanceof Disconnected)) throw error;
    }
  }
}
