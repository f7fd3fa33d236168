/** A call of a session (2025-03-26 to 2025-11-25), which outlives its connections: another one goes on where it broke. */

import { Call, Cancelled, backoff, refusalOf, resultOf } from "./call.js";
import { Disconnected, Refusal } from "./http.js";

const RESUME_AFTER = 500; // milliseconds: connecting at once to a process that just died would fail again

export class SessionCall extends Call {
  /** Send the request, and read until its response. */
  async perform() {
    const release = this.client.isLong(this.method) ? await this.place() : () => {};
    try {
      const reply = await this.patiently((signal) => this.client.post(this.message, { call: this, signal }), { again: !this.client.isLong(this.method) });
      return await this.#follow(reply);
    } finally {
      release();
    }
  }

  /** Go on after a reload of the page. */
  async continue() {
    const release = await this.place();
    try {
      const reply = await this.#resumed("The page was reloaded; resuming the call", 0);
      return await this.#follow(reply);
    } finally {
      release();
    }
  }

  get message() {
    return { jsonrpc: "2.0", id: this.id, method: this.method, ...(this.params === undefined ? {} : { params: this.params }) };
  }

  async #follow(first) {
    for (let reply = first; ; ) {
      if (!reply.isStream) return this.#plain(reply);
      let why;
      try {
        const message = await this.#read(reply);
        if (message) return resultOf(message, reply);
        why = "The server closed the stream; polling for the rest";
      } catch (error) {
        if (!(error instanceof Disconnected)) throw error;
        if (this.cancellation.signal.aborted) throw this.cancellation.signal.reason;
        why = this.isCutByPerson ? null : `${reply.servedBy ?? "The connection"} is gone; resuming elsewhere`;
        if (!this.isCutByPerson) {
          this.lost = { process: reply.servedBy, at: Date.now() };
          this.client.lost(this, reply);
        }
      }
      if (this.lastEventId === null) throw new Disconnected("The connection broke before the first event, so nothing says where to resume.");
      reply = await this.#resumed(why, this.retry !== null && why?.startsWith("The server closed") ? this.retry : RESUME_AFTER);
    }
  }

  async #plain(reply) {
    if (reply.status === 404) throw this.client.sessionLost(await refusalOf(reply));
    if (reply.status >= 400) throw await refusalOf(reply);
    if (reply.status === 204) throw new Refusal("The server has nothing more for this stream: its response was already delivered.", { status: 204, reply });
    const message = await reply.json();
    const isResponse = message && typeof message === "object" && ("result" in message || "error" in message);
    if (!isResponse) throw new Refusal("The body is not a JSON-RPC response.", { status: reply.status, reply });
    return resultOf(message, reply);
  }

  /** Read a stream until the response, which is returned; null if the stream ends without it. */
  async #read(reply) {
    this.isCutByPerson = false;
    this.update({ state: this.questions.size ? "asking" : "streaming" });
    for await (const event of reply.events()) {
      this.heard(event);
      if (!event.data) continue;
      const message = JSON.parse(event.data);
      if (!("method" in message) && message.id === this.id) return message;
      this.client.receive(message, { call: this, exchange: reply.exchange });
    }
    if (this.cancellation.signal.aborted) throw this.cancellation.signal.reason;
    return null;
  }

  async #resumed(why, milliseconds) {
    if (why === null) {
      await this.pause("cut", `You have seen everything up to event ${shortened(this.lastEventId)}. The call goes on without you`, null);
    } else {
      await this.pause("waiting", why, milliseconds);
    }
    for (let attempt = 0; ; attempt += 1) {
      const process = this.resumeAt ?? undefined;
      this.resumeAt = null;
      this.update({ state: "resuming" });
      try {
        const reply = await this.patiently((signal) => this.client.resume(this.lastEventId, { call: this, signal, process }));
        this.client.recording.mark(`resumed after ${shortened(this.lastEventId)}`, { exchange: reply.exchange, kind: "resume" });
        this.client.resumed(this, reply);
        return reply;
      } catch (error) {
        if (!(error instanceof Disconnected) || this.cancellation.signal.aborted) throw error;
        await this.pause("waiting", "The server does not answer; trying again", backoff(attempt));
      }
    }
  }
}

/** An event id as people can compare it: its end. */
const shortened = (id) => (id.length > 12 ? `…${id.slice(-10)}` : id);

/** The stream that a client opens with GET, for what concerns no call. It is opened again for as long as it is wanted. */
export class ListenerStream extends SessionCall {
  async perform() {
    const release = await this.place({ listens: true });
    try {
      for (let attempt = 0; ; ) {
        let reply;
        try {
          const process = this.resumeAt ?? undefined;
          this.resumeAt = null;
          reply = await this.patiently((signal) => this.client.resume(this.lastEventId, { call: this, signal, process }));
        } catch (error) {
          if (!(error instanceof Disconnected) || this.cancellation.signal.aborted) throw error;
          await this.pause("waiting", "The server does not answer; trying again", backoff(attempt));
          attempt += 1;
          continue;
        }
        if (reply.status === 400 && this.lastEventId !== null) {
          this.lastEventId = null; // too old: a new stream begins
          continue;
        }
        if (!reply.isStream) await this.#refused(reply);
        attempt = 0;
        await this.#listen(reply);
      }
    } finally {
      release();
    }
  }

  async #refused(reply) {
    const refusal = await refusalOf(reply);
    throw reply.status === 404 ? this.client.sessionLost(refusal) : refusal;
  }

  async #listen(reply) {
    this.isCutByPerson = false;
    this.update({ state: "streaming", status: null });
    try {
      for await (const event of reply.events()) {
        this.heard(event);
        if (event.data) this.client.receive(JSON.parse(event.data), { call: null, exchange: reply.exchange });
      }
    } catch (error) {
      if (!(error instanceof Disconnected)) throw error;
    }
    if (this.cancellation.signal.aborted) throw new Cancelled("The stream was closed.");
    if (this.isCutByPerson) await this.pause("cut", "The stream is cut. Messages wait in the session's log", null);
    else await this.pause("waiting", "The stream ended; opening it again", this.retry ?? RESUME_AFTER);
  }
}
