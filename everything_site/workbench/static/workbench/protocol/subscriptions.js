/** The resources of whose changes this tab is told: by subscription, or since 2026-07-28 on a stream of its own. */

import { has } from "./revisions.js";

/** Dispatches `change`. */
export class Subscriptions extends EventTarget {
  #all = new Map(); // by URI: {count, last, stream}

  constructor(app) {
    super();
    this.app = app;
    app.addEventListener("connected", () => {
      this.#all.clear();
      app.client.addEventListener("notification", ({ detail }) => this.#heard(detail.message));
      this.#changed();
    });
  }

  has(uri) {
    return this.#all.has(uri);
  }

  get(uri) {
    return this.#all.get(uri);
  }

  get uris() {
    return [...this.#all.keys()];
  }

  async add(uri) {
    const { client } = this.app;
    let stream = null;
    if (has(client.revision, "listen streams")) {
      stream = client.listen({ resourceSubscriptions: [uri] });
      stream.promise.catch(() => {}).finally(() => this.#forget(uri));
    } else {
      client.openStream();
      await client.request("resources/subscribe", { uri });
    }
    this.#all.set(uri, { count: 0, last: null, stream });
    this.#changed();
  }

  async remove(uri) {
    const { stream } = this.#all.get(uri) ?? {};
    if (stream) stream.cancel("You stopped listening.");
    else await this.app.client.request("resources/unsubscribe", { uri });
    this.#forget(uri);
  }

  #forget(uri) {
    this.#all.delete(uri);
    this.#changed();
  }

  #heard({ method, params }) {
    if (method !== "notifications/resources/updated") return;
    const state = this.#all.get(params.uri);
    if (!state) return;
    state.count += 1;
    state.last = Date.now();
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
