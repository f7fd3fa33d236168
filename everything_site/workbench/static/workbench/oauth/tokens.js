/** The tokens of this tab: kept for a reload, refreshed, revoked, and spoilt on purpose. */

import { Http } from "../protocol/http.js";
import { read } from "./sign_in.js";

const KEY = "es-tokens";

/**
 * Dispatches `change` when there are other tokens, or none.
 *
 * A tab that was duplicated has the same refresh token, which can be used once: who refreshes tells the others.
 */
export class Tokens extends EventTarget {
  #refreshing = null;
  #tabs = new BroadcastChannel(KEY);

  /** @param {{recording: Object, storage: Storage, resource: string}} options `storage` is `sessionStorage`. */
  constructor({ recording, storage, resource, fetch, origin }) {
    super();
    this._http = new Http({ recording, fetch, origin });
    this._storage = storage;
    this._resource = resource;
    this.current = read(storage, KEY);
    this.#tabs.addEventListener("message", ({ data }) => {
      if (this.canRefresh && data.replaced === this.current.refresh_token) this.set(data.tokens);
    });
    this.#tabs.unref?.(); // under Node it would keep the process alive
  }

  get access() {
    return this.current?.access_token ?? null;
  }

  get scopes() {
    return this.current?.scope?.split(" ").filter(Boolean) ?? [];
  }

  get canRefresh() {
    return Boolean(this.current?.refresh_token);
  }

  set(tokens) {
    this.current = tokens;
    if (tokens) this._storage.setItem(KEY, JSON.stringify(tokens));
    else this._storage.removeItem(KEY);
    this.dispatchEvent(new Event("change"));
  }

  /** Get a new access token for the refresh token; several callers at once share one request. False if refused. */
  refresh({ scope } = {}) {
    this.#refreshing ??= this.#refresh(scope).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #refresh(scope) {
    if (!this.canRefresh) return false;
    const { refresh_token, client_id, token_endpoint } = this.current;
    const form = { grant_type: "refresh_token", refresh_token, client_id, resource: this._resource, ...(scope ? { scope } : {}) };
    const reply = await this.#post(token_endpoint, form, "refresh");
    const granted = await reply.json();
    if (reply.status >= 400 || !granted?.access_token) {
      if (granted?.error === "invalid_grant" || granted?.error === "invalid_client") this.set(null);
      return false;
    }
    this.set({ ...this.current, ...granted, expires_at: Date.now() + (granted.expires_in ?? 3600) * 1000 });
    this.#tabs.postMessage({ replaced: refresh_token, tokens: this.current });
    return true;
  }

  /** Sign out: the refresh token is revoked, and with it whatever it led to. */
  async revoke() {
    const { current } = this;
    this.set(null);
    if (current?.refresh_token) this.#tabs.postMessage({ replaced: current.refresh_token, tokens: null });
    if (!current?.revocation_endpoint) return;
    const token = current.refresh_token ?? current.access_token;
    const reply = await this.#post(current.revocation_endpoint, { token, client_id: current.client_id }, "sign out");
    await reply.text();
  }

  /** Spoil the access token, as a faulty client would. */
  corrupt() {
    const { access_token: token } = this.current;
    this.set({ ...this.current, access_token: `${token.slice(0, -1)}${token.endsWith("x") ? "y" : "x"}` });
  }

  /** Forget the access token; the refresh token stays. */
  forget() {
    this.set({ ...this.current, access_token: null });
  }

  /** Revoke them behind the back of this tab, as a person does at the server: it keeps what is void now. */
  async revokeUnnoticed() {
    const { access_token: token, client_id, revocation_endpoint } = this.current;
    const reply = await this.#post(revocation_endpoint, { token, token_type_hint: "access_token", client_id }, "revoked by you");
    await reply.text();
  }

  #post(url, fields, note) {
    const headers = { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json" };
    return this._http.send({ method: "POST", url, headers, body: new URLSearchParams(fields).toString(), lane: "Sign-in", parent: null, note });
  }
}
