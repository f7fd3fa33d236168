/**
 * The sign-in of an MCP client (2026-07-28, Authorization), one step after the other, each visible as an exchange.
 * It knows no DOM: whoever opens the window for the consent is given as a function.
 */

import { target } from "../base/web_address.js";
import { Http } from "../protocol/http.js";
import { challenge } from "../protocol/messages.js";

export const STEPS = [
  { id: "challenge", title: "Challenge", about: "A request without a token gets 401. Its WWW-Authenticate header says where to find out more." },
  { id: "resource", title: "Protected resource", about: "The resource names itself and its authorization server (RFC 9728)." },
  { id: "server", title: "Authorization server", about: "The authorization server describes its endpoints (RFC 8414)." },
  { id: "registration", title: "Registration", about: "The client introduces itself and gets a client id (RFC 7591)." },
  { id: "pkce", title: "PKCE", about: "A secret that never leaves this tab; only its SHA-256 hash is sent at first (RFC 7636)." },
  { id: "consent", title: "Consent", about: "You sign in at the authorization server, and decide. It sends a code back." },
  { id: "token", title: "Token", about: "The code and the secret of PKCE are exchanged for an access token and a refresh token." },
];

const PENDING = "es-sign-in";
const CLIENTS = "es-clients";
const CLIENT_NAME = "Everything Server workbench";

/** A step failed; `code` is the error code of OAuth, if the server gave one. */
export class SignInError extends Error {
  constructor(message, { step = null, code = null } = {}) {
    super(message);
    this.name = "SignInError";
    this.step = step;
    this.code = code;
  }
}

/** One sign-in. Dispatches `change` whenever a step begins or ends. */
export class SignIn extends EventTarget {
  /**
   * @param {Object} options
   * @param {string} options.url The MCP endpoint.
   * @param {string} options.redirectUri
   * @param {Object} options.recording
   * @param {Storage} options.pending Keeps what the redirect must not lose: `sessionStorage`.
   * @param {Storage} options.clients Keeps the client id: `localStorage`.
   * @param {(url: string, state: string) => Promise<string>} options.consent Opens a page for the person, and resolves
   *   with the query of the redirect.
   * @param {string[]} [options.scopes] Asked for in addition to what the challenge names.
   */
  constructor({ url, redirectUri, recording, pending, clients, consent, scopes = [], fetch, origin }) {
    super();
    Object.assign(this, { url, redirectUri, recording, scopes, _pending: pending, _clients: clients, _askPerson: consent });
    this._http = new Http({ recording, fetch, origin });
    this.steps = STEPS.map((step) => ({ ...step, state: "todo", note: "" }));
    this.mode = "w."; // begins the state: "w." for a window of its own, "r." for a redirect of this page
    this.found = {}; // what the steps found out
    this.tokens = null;
  }

  /** The next step; null when all are done. */
  get next() {
    return this.steps.find(({ state }) => state !== "done") ?? null;
  }

  /** Do the next step. A step that failed is tried again. */
  async step() {
    const step = this.next;
    if (!step) return null;
    this.#tell(step, { state: "running", note: "" });
    try {
      const note = await this[`_${step.id}`]();
      this.#tell(step, { state: "done", note });
    } catch (error) {
      this.#tell(step, { state: "failed", note: error.message });
      throw error instanceof SignInError ? Object.assign(error, { step: step.id }) : error;
    }
    return step;
  }

  /** Do all steps that are left. Resolves with the tokens. */
  async run() {
    while (this.next) await this.step();
    return this.tokens;
  }

  #tell(step, fields) {
    Object.assign(step, fields);
    this.dispatchEvent(new Event("change"));
  }

  async _challenge() {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 0, method: "ping" });
    const headers = { Accept: "application/json, text/event-stream", "Content-Type": "application/json" };
    const reply = await this.#send({ method: "POST", url: this.url, headers, body });
    await reply.text();
    if (reply.status !== 401) throw new SignInError(`The server answered ${reply.status}, not 401: it asks for no token.`);
    const { scheme, parameters } = challenge(reply.headers.get("www-authenticate") ?? "");
    const named = Object.fromEntries(parameters);
    if (scheme?.toLowerCase() !== "bearer") throw new SignInError("The 401 has no Bearer challenge in WWW-Authenticate.");
    const fallback = new URL(`/.well-known/oauth-protected-resource${new URL(this.url).pathname}`, this.url).href;
    this.found.metadataUrl = named.resource_metadata ?? fallback;
    this.found.scopes = named.scope?.split(" ") ?? null;
    return `401, scope ${named.scope ?? "not named"}`;
  }

  async _resource() {
    const document = await this.#document(this.found.metadataUrl);
    if (document.resource !== this.url) throw new SignInError(`The document is about ${document.resource}, not ${this.url} (RFC 9728 §3.3).`);
    [this.found.issuer] = document.authorization_servers ?? [];
    if (!this.found.issuer) throw new SignInError("The document names no authorization server.");
    this.found.scopes ??= document.scopes_supported ?? [];
    return `authorization server ${this.found.issuer}`;
  }

  async _server() {
    const { origin, pathname } = new URL(this.found.issuer);
    const path = pathname === "/" ? "" : pathname.replace(/\/$/, "");
    const server = await this.#document(`${origin}/.well-known/oauth-authorization-server${path}`);
    if (server.issuer !== this.found.issuer) throw new SignInError(`It calls itself ${server.issuer}, not ${this.found.issuer} (RFC 8414 §3.3).`);
    if (!target(server.authorization_endpoint).isWeb) throw new SignInError("Its authorization_endpoint is not a web address.");
    if (!server.code_challenge_methods_supported?.includes("S256")) throw new SignInError("It does not support PKCE with S256.");
    this.found.server = server;
    return "supports PKCE with S256";
  }

  async _registration() {
    const known = this.#clients()[this.found.issuer];
    if (known && known.redirect_uri === this.redirectUri && (await this.#isRegistered(known))) {
      this.found.clientId = known.client_id;
      return `known here as ${known.client_id}`;
    }
    const { registration_endpoint: endpoint } = this.found.server;
    if (!endpoint) throw new SignInError("The authorization server offers no registration.");
    const body = JSON.stringify({
      client_name: CLIENT_NAME,
      redirect_uris: [this.redirectUri],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    });
    const reply = await this.#send({ method: "POST", url: endpoint, headers: { "Content-Type": "application/json", Accept: "application/json" }, body });
    const client = await this.#succeeded(reply);
    const { client_id, registration_client_uri: uri, registration_access_token: token } = client;
    this._clients.setItem(CLIENTS, JSON.stringify({ ...this.#clients(), [this.found.issuer]: { client_id, redirect_uri: this.redirectUri, uri, token } }));
    this.found.clientId = client_id;
    return `client id ${client_id}`;
  }

  #clients() {
    return read(this._clients, CLIENTS) ?? {};
  }

  /** Whether the server still knows a client (RFC 7592 §2.1), where it lets one ask. */
  async #isRegistered({ uri, token }) {
    if (!uri || !token) return true;
    const reply = await this.#send({ method: "GET", url: uri, headers: { Accept: "application/json", Authorization: `Bearer ${token}` } });
    await reply.text();
    return reply.status === 200;
  }

  /** Whether this browser has registered at a server before. */
  get isReturning() {
    return Object.keys(this.#clients()).length > 0;
  }

  /** Forget the client id, so that the next registration gets a new one. */
  forgetClient() {
    const clients = this.#clients();
    delete clients[this.found.issuer];
    this._clients.setItem(CLIENTS, JSON.stringify(clients));
  }

  async _pkce() {
    this.found.verifier = random(48);
    this.found.challenge = base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(this.found.verifier))));
    this.found.nonce = random(18);
    return `code_challenge ${this.found.challenge.slice(0, 12)}…`;
  }

  #consentUrl() {
    const { server, clientId, challenge: codeChallenge, state } = this.found;
    const url = new URL(server.authorization_endpoint);
    const scope = [...new Set([...this.found.scopes, ...this.scopes])].join(" ");
    const parameters = {
      response_type: "code",
      client_id: clientId,
      redirect_uri: this.redirectUri,
      state,
      code_challenge: codeChallenge,
      code_challenge_method: "S256",
      resource: this.url,
      ...(scope ? { scope } : {}),
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href;
  }

  async _consent() {
    this.found.state = `${this.mode}${this.found.nonce}`;
    this._pending.setItem(PENDING, JSON.stringify({ found: this.found, scopes: this.scopes }));
    const url = this.#consentUrl();
    const query = await this.#asked(url);
    return this.#redirected(query);
  }

  /** The request of the browser that the page cannot see: recorded as it was sent, with what came back. */
  async #asked(url) {
    const { origin } = globalThis.location ?? {};
    const exchange = this.recording.begin({
      lane: "Sign-in",
      note: "by the browser, in its own window",
      request: { method: "GET", path: url.startsWith(`${origin}/`) ? url.slice(origin.length) : url, headers: [], body: null },
    });
    try {
      const query = await this._askPerson(url, this.found.state);
      exchange.respond({ status: 302, headers: [["Location", `${this.redirectUri}${query}`]] });
      exchange.end();
      return query;
    } catch (error) {
      exchange.end({ error: error.message });
      throw error;
    }
  }

  #redirected(query) {
    const answer = new URLSearchParams(query);
    if (answer.get("state") !== this.found.state) throw new SignInError("The state in the redirect is not the one that was sent (RFC 6749 §10.12).");
    const iss = answer.get("iss");
    const mustHave = this.found.server.authorization_response_iss_parameter_supported === true;
    if (iss === null ? mustHave : iss !== this.found.issuer) throw new SignInError(`The redirect comes from ${iss ?? "nobody"}, not ${this.found.issuer} (RFC 9207 §2.4).`);
    const error = answer.get("error");
    if (error) throw new SignInError(answer.get("error_description") ?? error, { code: error });
    this.found.code = answer.get("code");
    return iss === null ? "code received" : `code received, iss is ${iss}`;
  }

  async _token() {
    const { server, code, verifier, clientId } = this.found;
    const form = { grant_type: "authorization_code", code, redirect_uri: this.redirectUri, client_id: clientId, code_verifier: verifier, resource: this.url };
    const reply = await this.#form(server.token_endpoint, form);
    let granted;
    try {
      granted = await this.#succeeded(reply);
    } catch (error) {
      if (error.code === "invalid_client") this.forgetClient();
      throw error;
    }
    this._pending.removeItem(PENDING);
    this.tokens = {
      ...granted,
      expires_at: Date.now() + (granted.expires_in ?? 3600) * 1000,
      client_id: clientId,
      token_endpoint: server.token_endpoint,
      revocation_endpoint: server.revocation_endpoint ?? null,
    };
    return `scope ${granted.scope ?? "as asked for"}, for ${Math.round((granted.expires_in ?? 3600) / 60)} minutes`;
  }

  /** Go on after the redirect, in a page that was loaded anew: everything before it is done. */
  async resume(query) {
    const saved = read(this._pending, PENDING);
    if (!saved) throw new SignInError("No sign-in was started in this tab.", { step: "consent" });
    Object.assign(this, { found: saved.found, scopes: saved.scopes });
    for (const step of this.steps) {
      if (step.id === "consent") break;
      Object.assign(step, { state: "done", note: "before the redirect" });
    }
    this._askPerson = async () => query;
    this.mode = "r.";
    return this.run();
  }

  #form(url, fields) {
    const body = new URLSearchParams(fields).toString();
    return this.#send({ method: "POST", url, headers: { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json" }, body });
  }

  #send(request) {
    return this._http.send({ lane: "Sign-in", parent: null, ...request });
  }

  async #document(url) {
    return this.#succeeded(await this.#send({ method: "GET", url, headers: { Accept: "application/json" } }));
  }

  async #succeeded(reply) {
    const body = await reply.json();
    if (reply.status < 400 && body && typeof body === "object") return body;
    throw new SignInError(body?.error_description ?? body?.error ?? `HTTP ${reply.status}`, { code: body?.error });
  }
}

/** JSON from a storage; null if there is none. */
export function read(storage, key) {
  try {
    return JSON.parse(storage.getItem(key));
  } catch {
    return null;
  }
}

function random(bytes) {
  return base64url(crypto.getRandomValues(new Uint8Array(bytes)));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
