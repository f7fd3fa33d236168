/** The workbench without its page: one recording, one sign-in, one client, and what of them a reload keeps. */

import { SignIn, read } from "./oauth/sign_in.js";
import { Tokens } from "./oauth/tokens.js";
import { StreamBudget } from "./protocol/budget.js";
import { Catalog } from "./protocol/catalog.js";
import { Client } from "./protocol/client.js";
import { challenge } from "./protocol/messages.js";
import { DEFAULT, REVISIONS, hasResumption, hasSession, isHttpSse } from "./protocol/revisions.js";
import { Subscriptions } from "./protocol/subscriptions.js";
import { Tasks } from "./protocol/tasks.js";
import { Processes } from "./room/processes.js";
import { Recording } from "./wire/recording.js";

const SESSION = "es-session";
const RECORDING = "es-recording";
const REVISION = "es-revision";
const KEPT_EXCHANGES = 200;
const KEPT_BYTES = 2_000_000;
const KEPT_NOTIFICATIONS = 50;
const SAVE_AFTER = 300; // milliseconds; a page that goes away saves at once
const GREETING = 150; // milliseconds that other tabs have to say that a session is theirs

/**
 * Dispatches `change` when it is connected or not, `connected` when a session began, `call` {call} for each call of a
 * person, `signed-out` {why}.
 */
export class App extends EventTarget {
  #saving = null;
  #tab = Math.random().toString(36).slice(2);
  #tabs = new BroadcastChannel("es-tabs");

  /**
   * @param {Object} options
   * @param {string} options.url The MCP endpoint.
   * @param {number} options.leaseSeconds How long a call waits for a process that has died.
   * @param {boolean} options.hasRelay Whether the development relay is there, which kills processes.
   * @param {Object} options.questions Answers the server's questions.
   * @param {(scopes: string[]) => Promise<boolean>} options.moreAccess Asks the person for more scopes.
   * @param {Function} options.consent See `SignIn`.
   */
  constructor({ url, leaseSeconds, hasRelay, questions, moreAccess, consent }) {
    super();
    Object.assign(this, { url, leaseSeconds, hasRelay, questions, moreAccess, consent });
    const saved = read(sessionStorage, RECORDING);
    this.recording = saved ? Recording.fromJSON(saved) : new Recording();
    this.budget = new StreamBudget();
    this.tokens = new Tokens({ recording: this.recording, storage: sessionStorage, resource: url });
    this.processes = new Processes();
    this.revision = sessionStorage.getItem(REVISION) ?? DEFAULT;
    this.history = new Map(); // calls of a feature, by its name, latest first
    this.redirectUri = new URL("/try/callback", url).href;
    this.client = null;
    this.catalog = null;
    this.tasks = null;
    this.notifications = []; // {at, message} of this session, but for progress
    this.subscriptions = new Subscriptions(this);
    this.#tabs.addEventListener("message", ({ data }) => this.#greeted(data));
    this.whySignedOut = null;
    this.signIn = this.newSignIn();
    this.tokens.addEventListener("change", () => this.#changed());
    addEventListener("pagehide", () => {
      this.#saveSession();
      this.#saveRecording();
    });
  }

  get isConnected() {
    return Boolean(this.client?.isConnected);
  }

  get isSignedIn() {
    return this.tokens.current !== null;
  }

  /** A sign-in, from its first step. `scopes` are asked for beyond what the server demands. */
  newSignIn({ scopes = [], consent = this.consent } = {}) {
    const { url, redirectUri, recording } = this;
    return new SignIn({ url, redirectUri, recording, pending: sessionStorage, clients: localStorage, consent, scopes });
  }

  /** Begin the sign-in anew. */
  restartSignIn() {
    this.signIn = this.newSignIn();
    this.#tell("sign-in");
  }

  /** A sign-in has its tokens. */
  async signedIn(flow) {
    const wasSignedOut = this.whySignedOut !== null;
    this.tokens.set(flow.tokens);
    const goesOn = this.isConnected && (!wasSignedOut || (await this.#hasSession()));
    this.whySignedOut = null; // not before: a call would go to a session that may have ended
    if (!goesOn) await this.connect();
    else this.#changed();
    this.signIn = this.newSignIn(); // the next one begins with the first step
  }

  /** Whether the server still knows the session: it ends with the tokens that it was opened with, if they are revoked. */
  async #hasSession() {
    if (!hasSession(this.client.revision)) return true;
    try {
      await this.client.request("ping");
    } catch (error) {
      return error.status !== 404;
    }
    return true;
  }

  /** Take up what this tab had before a reload: the session, its calls, its stream. False if there is nothing. */
  async restore() {
    const saved = read(sessionStorage, SESSION);
    if (!this.isSignedIn || !saved?.server || isHttpSse(saved.revision)) return false; // HTTP+SSE has no resumption
    if (saved.sessionId && (await this.#isTaken(saved.sessionId))) return false;
    this.#newClient();
    this.revision = saved.revision;
    this.recording.mark("The page was reloaded", { kind: "note" });
    this.client.restore(saved);
    await this.#connected();
    return true;
  }

  /** Begin a session, or at 2026-07-28 just find out what the server is. */
  async connect(revision = this.revision) {
    if (!REVISIONS.includes(revision)) throw new Error(`Unknown revision ${revision}`);
    await this.client?.end().catch(() => {}); // the server may be gone, and forgets the session by itself
    this.revision = revision;
    sessionStorage.setItem(REVISION, revision);
    this.#newClient();
    await this.client.connect(revision);
    if (hasResumption(this.client.revision)) this.client.openStream();
    await this.#connected();
  }

  async #connected() {
    this.catalog = new Catalog(this.client);
    this.tasks = new Tasks(this.client);
    this.#changed();
    this.dispatchEvent(new Event("connected"));
    await this.catalog.loadAll();
    this.#save();
  }

  #newClient() {
    const { url, recording, questions, budget } = this;
    const client = new Client({
      url,
      recording,
      questions,
      budget,
      token: () => this.tokens.access,
      onUnauthorized: () => this.#renew(),
      onForbidden: (reply) => this.#stepUp(reply),
    });
    client.http.process = this.client?.http.process ?? null;
    client.addEventListener("saved", () => this.#save());
    client.addEventListener("session", () => {
      if (client === this.client && !client.isConnected) sessionStorage.removeItem(SESSION);
      this.#changed();
    });
    client.addEventListener("session-lost", () => {
      if (client === this.client) this.#tell("session-lost");
    });
    client.addEventListener("call", ({ detail }) => this.#keep(detail.call));
    client.addEventListener("lost", () => this.hasRelay && this.processes.refresh());
    client.addEventListener("received", ({ detail }) => this.#tell("received", detail));
    this.notifications = [];
    client.addEventListener("notification", ({ detail }) => {
      if (detail.message.method === "notifications/progress") return;
      this.notifications = [...this.notifications, { at: new Date(), message: detail.message }].slice(-KEPT_NOTIFICATIONS);
      this.#tell("notification", detail);
    });
    this.client = client;
  }

  /** What a person starts belongs to a feature, where its calls can be found again. */
  #keep(call) {
    const { name, uri } = call.params ?? {};
    const key = { "tools/call": `tools/${name}`, "prompts/get": `prompts/${name}`, "resources/read": `resources/${uri}` }[call.method];
    if (!key) return;
    this.history.set(key, [call, ...(this.history.get(key) ?? [])].slice(0, 10));
    this.#tell("call", { call, key });
  }

  async #renew() {
    if (await this.tokens.refresh()) return true;
    this.whySignedOut = "You are signed out: the server does not accept the token any more, and gave no new one. What you typed is kept.";
    this.signIn = this.newSignIn();
    this.#tell("signed-out", { why: this.whySignedOut });
    return false;
  }

  async #stepUp(reply) {
    const named = Object.fromEntries(challenge(reply.headers.get("www-authenticate")).parameters);
    if (named.error !== "insufficient_scope") return false;
    return this.moreAccess(named.scope?.split(" ") ?? []);
  }

  /** Kill a process, by the relay; the recording says so where the call is. */
  async kill(name, call = null) {
    this.recording.mark(`${name} killed by you`, { exchange: call?.exchange ?? null, kind: "killed" });
    await this.processes.kill(name);
  }

  /** The next requests go to this process, until told otherwise; null for any. */
  chose(process) {
    this.client.http.process = process;
    this.recording.mark(process ? `The next requests go to ${process}` : "The relay chooses processes again", { kind: "note" });
    this.#changed();
  }

  /** End the session, revoke the tokens, and forget all about it. */
  async signOut() {
    await this.client?.end().catch(() => {}); // the server may be gone
    await this.tokens.revoke().catch(() => {}); // so may the authorization server
    this.client = null;
    this.catalog = null;
    this.tasks = null;
    this.history.clear();
    sessionStorage.removeItem(SESSION);
    this.#changed();
  }

  /** Another tab that was duplicated has the same session: the newcomer opens one of its own. */
  #isTaken(sessionId) {
    return new Promise((resolve) => {
      const answered = ({ data }) => data.type === "taken" && data.to === this.#tab && finish(true);
      const finish = (isTaken) => {
        this.#tabs.removeEventListener("message", answered);
        resolve(isTaken);
      };
      this.#tabs.addEventListener("message", answered);
      this.#tabs.postMessage({ type: "hello", sessionId, tab: this.#tab });
      setTimeout(() => finish(false), GREETING);
    });
  }

  #greeted({ type, sessionId, tab }) {
    if (type === "hello" && sessionId === this.client?.sessionId) this.#tabs.postMessage({ type: "taken", to: tab });
  }

  #save() {
    this.#saving ??= setTimeout(() => this.#saveSession(), SAVE_AFTER);
  }

  #saveSession() {
    clearTimeout(this.#saving);
    this.#saving = null;
    if (this.client?.isConnected) sessionStorage.setItem(SESSION, JSON.stringify(this.client.save()));
  }

  /** Keep the log for the next page in this tab, without secrets. */
  #saveRecording() {
    const masked = this.recording.masked();
    masked.exchanges = masked.exchanges.slice(-KEPT_EXCHANGES);
    let text = JSON.stringify(masked);
    while (text.length > KEPT_BYTES && masked.exchanges.length > 1) {
      masked.exchanges = masked.exchanges.slice(Math.ceil(masked.exchanges.length / 2));
      text = JSON.stringify(masked);
    }
    try {
      sessionStorage.setItem(RECORDING, text);
    } catch {
      sessionStorage.removeItem(RECORDING); // the storage is full: the log does not survive a reload
    }
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  #tell(type, detail = {}) {
    this.dispatchEvent(Object.assign(new Event(type), { detail }));
  }
}
