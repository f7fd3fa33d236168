/** A call of 2026-07-28: it stands alone, closing its connection cancels it, and its results may ask for input. */

import { Call, Cancelled, refusalOf, resultOf } from "./call.js";
import { Disconnected, Refusal } from "./http.js";

const MAX_ROUNDS = 20;

export class StatelessCall extends Call {
  async perform() {
    const release = this.client.isLong(this.method) ? await this.place({ listens: this.method === "subscriptions/listen" }) : () => {};
    try {
      let round = {};
      for (let number = 1; number <= MAX_ROUNDS; number += 1) {
        const result = await this.#exchange(round, number);
        if (result?.resultType !== "input_required") return result;
        round = await this.#answers(result);
      }
      throw new Refusal(`The server asked for input ${MAX_ROUNDS} times.`);
    } finally {
      release();
    }
  }

  async #exchange(round, number) {
    const id = number === 1 ? this.id : this.client.nextId();
    this.requestId = id;
    const message = { jsonrpc: "2.0", id, method: this.method, params: { ...this.params, ...round } };
    const note = number === 1 ? this.note : `round ${number}`;
    this.update({ state: "sent" });
    const parent = number === 1 ? undefined : this.exchange;
    const reply = await this.patiently((signal) => this.client.post(message, { call: this, signal, note, parent }), { again: !this.client.isLong(this.method) });
    if (reply.isStream) return this.#read(reply, id);
    if (reply.status >= 400) throw await refusalOf(reply);
    return resultOf((await reply.json()) ?? { error: { message: "The body is not a JSON-RPC response." } }, reply);
  }

  async #read(reply, id) {
    this.update({ state: "streaming" });
    try {
      for await (const event of reply.events()) {
        this.heard(event);
        if (!event.data) continue;
        const message = JSON.parse(event.data);
        if (!("method" in message) && message.id === id) return resultOf(message, reply);
        this.client.receive(message, { call: this, exchange: reply.exchange });
      }
    } catch (error) {
      if (!(error instanceof Disconnected)) throw error;
      if (this.cancellation.signal.aborted) throw this.cancellation.signal.reason;
      if (this.isCutByPerson) throw new Cancelled("You closed the connection. In this revision that cancels the call.");
      throw new Disconnected(
        `${reply.servedBy ?? "The server"} closed the connection. This revision has no resumption, so the call is lost; run it again.`,
      );
    }
    throw new Refusal("The stream ended without a response.", { reply });
  }

  /** Ask all questions of a result at once, and return the parameters of the next round. */
  async #answers({ inputRequests = {}, requestState }) {
    const keys = Object.keys(inputRequests);
    const answers = await Promise.all(
      keys.map((key) => this.client.ask({ id: `${this.id}/${key}`, ...inputRequests[key] }, { call: this })),
    );
    if (this.cancellation.signal.aborted) throw this.cancellation.signal.reason;
    const inputResponses = Object.fromEntries(keys.map((key, index) => [key, answers[index]]));
    return { ...(keys.length ? { inputResponses } : {}), ...(requestState === undefined ? {} : { requestState }) };
  }
}
