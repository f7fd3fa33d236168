/** An MCP client for every revision, over `fetch`. It knows no DOM. */

import { StreamBudget } from "./budget.js";
import { refusalOf } from "./call.js";
import { headersFor } from "./headers.js";
import { Http, Refusal } from "./http.js";
import { PostedCall, SseStream } from "./posted_call.js";
import { clientCapabilities, hasSession, isHttpSse, isStateless } from "./revisions.js";
import { ListenerStream, SessionCall } from "./session_call.js";
import { StatelessCall } from "./stateless_call.js";

const META = "io.modelcontextprotocol";
const CLIENT_INFO = { name: "everything-workbench", title: "Everything Server workbench", version: "1.0.0" };

/** The methods whose responses may be streams that stay open. */
const LONG = new Set(["tools/call", "subscriptions/listen"]);

const NO_QUESTIONS = {
  ask: async () => {
    throw new Error("Nobody answers questions here.");
  },
  withdraw() {},
};

/**
 * A client of one server. Dispatches, with `detail`:
 *
 * - `call` {call}: a call began; `saved` {}: there is something new to save for a reload;
 * - `notification` {message, call, exchange}: the server said something; `received` {message}: any message of the server;
 * - `lost` {call, process}: the connection of a call broke; `resumed` {call, process, after}: it goes on;
 * - `session` {}: a session began or ended; `session-lost` {refusal}: the server does not know it any more.
 */
export class Client extends EventTarget {
  #lastId = 0;
  #asked = new Set(); // the ids of the questions that are open

  /**
   * @param {Object} options
   * @param {string} options.url The endpoint.
   * @param {Object} options.recording Where exchanges are recorded.
   * @param {() => string|null} [options.token] The access token.
   * @param {(reply: Object) => Promise<boolean>} [options.onUnauthorized] Called for 401; true to try again.
   * @param {(reply: Object) => Promise<boolean>} [options.onForbidden] Called for 403 with a challenge; true to try again.
   * @param {Object} [options.questions] Has `ask(question)` and `withdraw(id, reason)`, as `<es-questions>`.
   * @param {StreamBudget} [options.budget]
   * @param {typeof fetch} [options.fetch]
   * @param {string} [options.sseUrl] The endpoint of 2024-11-05.
   * @param {string} [options.origin] Paths of this origin are recorded without it.
   */
  constructor({ url, recording, token = () => null, onUnauthorized, onForbidden, questions = NO_QUESTIONS, budget, fetch, sseUrl, origin }) {
    super();
    this.url = url;
    this.sseUrl = sseUrl ?? new URL("sse", url).href;
    this.recording = recording;
    this.http = new Http({ recording, fetch, origin });
    this.budget = budget ?? new StreamBudget();
    this.questions = questions;
    this._token = token;
    this._onUnauthorized = onUnauthorized ?? (async () => false);
    this._onForbidden = onForbidden ?? (async () => false);
    this.revision = null;
    this.sessionId = null;
    this.server = null; // {serverInfo, capabilities, instructions}
    this.calls = new Map(); // those that run, by id
    this.tools = new Map(); // by name, for the headers that repeat arguments
    this.stream = null; // the GET stream
    this.logLevel = null; // what each request of 2026-07-28 asks for
  }

  nextId() {
    return (this.#lastId += 1);
  }

  isLong(method) {
    return LONG.has(method);
  }

  get isConnected() {
    return this.server !== null;
  }

  /** Begin: `initialize` up to 2025-11-25, `server/discover` since. */
  async connect(revision) {
    this.revision = revision;
    if (isStateless(revision)) {
      const found = await this.request("server/discover", {}, { lane: "Session" });
      this.server = { ...found, serverInfo: found.serverInfo ?? found._meta?.[`${META}/serverInfo`] };
      return this.server;
    }
    if (isHttpSse(revision)) await this.#openSse();
    const params = { protocolVersion: revision, capabilities: clientCapabilities(revision), clientInfo: CLIENT_INFO };
    this.server = await this.request("initialize", params, { lane: "Session" });
    this.revision = this.server.protocolVersion;
    await this.notify("notifications/initialized");
    this.#tell("session");
    return this.server;
  }

  /**
   * Send a request. Returns the call; its `promise` resolves with the result and rejects with what went wrong.
   *
   * @param {string} method
   * @param {Object} [params]
   * @param {{onProgress?: Function, signal?: AbortSignal, note?: string, lane?: string}} [options]
   */
  start(method, params, { onProgress, signal, note = "", lane } = {}) {
    const id = this.nextId();
    const full = this.withMeta(params, onProgress ? id : null);
    const Kind = isStateless(this.revision) ? StatelessCall : isHttpSse(this.revision) ? PostedCall : SessionCall;
    const call = new Kind(this, { id, method, params: full, note, lane }, { onProgress });
    this.calls.set(id, call);
    signal?.addEventListener("abort", () => call.cancel());
    this.#tell("call", { call });
    call.run(() => call.perform());
    return call;
  }

  /** The result of a request: `start`, when its call does not matter. */
  request(method, params, options) {
    return this.start(method, params, options).promise;
  }

  /** Parameters as the revision wants them: with the `_meta` of each request since 2026-07-28. */
  withMeta(params, progressToken = null) {
    if (isStateless(this.revision)) {
      const _meta = {
        ...params?._meta,
        [`${META}/protocolVersion`]: this.revision,
        [`${META}/clientInfo`]: CLIENT_INFO,
        [`${META}/clientCapabilities`]: clientCapabilities(this.revision),
        ...(this.logLevel ? { [`${META}/logLevel`]: this.logLevel } : {}),
        ...(progressToken === null ? {} : { progressToken }),
      };
      return { ...params, _meta };
    }
    return progressToken === null ? params : { ...params, _meta: { ...params?._meta, progressToken } };
  }

  /** Send a notification. */
  async notify(method, params) {
    const message = { jsonrpc: "2.0", method, ...(params === undefined ? {} : { params }) };
    const reply = await this.post(message, { lane: method === "notifications/initialized" ? "Session" : undefined });
    if (reply.status >= 400) throw await refusalOf(reply);
    await reply.text();
  }

  /** Post a message, signing in again or asking for more access where the server demands it. */
  post(message, { call = null, signal, note = call?.note ?? "", parent, lane = call?.lane, process } = {}) {
    const schema = message.method === "tools/call" ? this.tools.get(message.params?.name)?.inputSchema : null;
    const url = isHttpSse(this.revision) ? this.endpoint : this.url;
    return this.#authorized(() => {
      const headers = headersFor(this.revision, message, { token: this._token(), sessionId: this.sessionId, schema });
      const body = JSON.stringify(message);
      return this.http.send({ method: "POST", url, headers, body, lane, parent, revision: this.revision, note, signal, process });
    }).then((reply) => {
      const session = reply.headers.get("mcp-session-id");
      if (session) this.sessionId = session;
      return reply;
    });
  }

  /** Open a GET stream: a new one, or where an event id left off. */
  resume(lastEventId, { call, signal, process }) {
    return this.#authorized(() => {
      const headers = { ...headersFor(this.revision, {}, { token: this._token(), sessionId: this.sessionId }), Accept: "text/event-stream" };
      delete headers["Content-Type"];
      if (lastEventId !== null) headers["Last-Event-ID"] = lastEventId;
      return this.http.send({ method: "GET", url: this.url, headers, revision: this.revision, signal, process, parent: call.exchange ?? undefined });
    });
  }

  async #authorized(send) {
    let reply = await send();
    if (reply.status === 401) {
      await reply.text(); // or the wire would show it as open
      if (await this._onUnauthorized(reply)) reply = await send();
    }
    if (reply.status === 403 && reply.headers.has("www-authenticate")) {
      await reply.text();
      if (await this._onForbidden(reply)) reply = await send();
    }
    return reply;
  }

  /** Open the GET stream of the session, unless it is open. */
  openStream() {
    if (this.stream && !this.stream.isOver) return this.stream;
    this.stream = new ListenerStream(this, { id: "stream", method: "GET", note: "the server’s messages" });
    this.#tell("call", { call: this.stream });
    this.stream.run(() => this.stream.perform());
    return this.stream;
  }

  /** Open a stream of notifications at 2026-07-28, such as `{resourcesListChanged: true}`. */
  listen(notifications) {
    return this.start("subscriptions/listen", { notifications }, { lane: "Listening" });
  }

  async #openSse() {
    this.stream = new SseStream(this, { id: "stream", method: "GET" });
    this.#tell("call", { call: this.stream });
    this.stream.run(() => this.stream.perform());
    this.endpoint = new URL(await this.stream.endpoint, this.sseUrl).href;
  }

  openSse(lastEventId, { signal }) {
    return this.#authorized(() => {
      const headers = { Accept: "text/event-stream", Authorization: `Bearer ${this._token()}` };
      if (lastEventId !== null) headers["Last-Event-ID"] = lastEventId;
      return this.http.send({ method: "GET", url: this.sseUrl, headers, revision: this.revision, signal, lane: "Session" });
    });
  }

  /** What a stream said: a request, a notification, or the response to a call. */
  receive(message, { call, exchange }) {
    this.#tell("received", { message, call, exchange });
    if (!("method" in message)) {
      this.calls.get(message.id)?.responded?.(message);
      return;
    }
    if ("id" in message) {
      this.#answer(message, { call: call ?? this.#onlyCall(), exchange });
      return;
    }
    const params = message.params ?? {};
    if (message.method === "notifications/progress") (this.calls.get(params.progressToken) ?? call)?.progressed(params);
    if (message.method === "notifications/cancelled") this.withdraw(params.requestId, params.reason ?? "The server withdrew the question.");
    this.#tell("notification", { message, call, exchange });
  }

  #onlyCall() {
    const running = [...this.calls.values()];
    return running.length === 1 ? running[0] : null;
  }

  async #answer(request, { call, exchange }) {
    const delivery = { process: undefined, times: 1 }; // to which process, and how often
    let answer;
    try {
      answer = { result: request.method === "ping" ? {} : await this.ask(request, { call, exchange, delivery }) };
    } catch (error) {
      if (error?.name === "Withdrawn") return;
      answer = { error: { code: error.code ?? -32603, message: error.message, ...(error.data ? { data: error.data } : {}) } };
    }
    for (let sent = 0; sent < delivery.times; sent += 1) {
      const reply = await this.post({ jsonrpc: "2.0", id: request.id, ...answer }, { parent: exchange, process: delivery.process });
      await reply.text();
    }
  }

  /**
   * Ask the person a question of the server, of a call or of what `asker` names; resolves with the result that answers it.
   * Where the answer is a request of its own, `delivery` says how it is sent, `{process, times}`, which the person may change.
   */
  async ask(request, { call, exchange = call?.exchange, asker, delivery = null }) {
    call?.questions.set(request.id, request);
    this.#asked.add(request.id);
    call?.update({ state: "asking" });
    this.saved();
    try {
      return await this.questions.ask({ id: request.id, kind: kindOf(request), params: request.params ?? {}, method: request.method, call, exchange, asker, delivery });
    } finally {
      call?.questions.delete(request.id);
      this.#asked.delete(request.id);
      if (call && !call.isOver) call.update({ state: call.questions.size ? "asking" : "streaming" });
      this.saved();
    }
  }

  withdraw(id, reason) {
    this.questions.withdraw(id, reason);
  }

  /** Called by a call that is cancelled, before it ends. */
  cancelling(call, reason) {
    if (isStateless(this.revision) || typeof call.id !== "number" || call.method === "initialize") return;
    this.notify("notifications/cancelled", { requestId: call.id, reason }).catch(() => {}); // the server may be gone
  }

  /** Called by a call that has ended. */
  ended(call) {
    this.calls.delete(call.id);
    this.saved();
  }

  saved() {
    this.#tell("saved");
  }

  lost(call, reply) {
    this.#tell("lost", { call, process: reply.servedBy });
  }

  resumed(call, reply) {
    this.#tell("resumed", { call, process: reply.servedBy });
  }

  sessionLost(refusal) {
    this.#tell("session-lost", { refusal });
    return refusal;
  }

  /** End the session, as far as there is one: its calls, its streams, and DELETE. */
  async end() {
    for (const call of [...this.calls.values(), ...(this.stream ? [this.stream] : [])]) {
      if (!call.isOver) call.cancellation.abort(new Refusal("The session was ended."));
    }
    for (const id of this.#asked) this.withdraw(id, "The session was ended.");
    const { sessionId } = this;
    this.sessionId = null;
    this.server = null;
    this.#tell("session");
    if (!sessionId || !hasSession(this.revision)) return;
    const headers = { ...headersFor(this.revision, {}, { token: this._token(), sessionId }) };
    delete headers["Content-Type"];
    const reply = await this.http.send({ method: "DELETE", url: this.url, headers, revision: this.revision, lane: "Session" });
    await reply.text();
  }

  /** Send a request as it was typed. Resolves with its reply, of which everything has been read. */
  async raw({ method, url = this.url, headers, body, signal }) {
    const sent = Object.fromEntries(headers);
    const reply = await this.http.send({ method, url, headers: sent, body: body === "" ? null : body, revision: this.revision, note: "as typed", signal });
    if (!reply.isStream) await reply.text();
    else for await (const event of reply.events()) if (event.data) this.#tell("received", { message: event.data, call: null });
    return reply;
  }

  /** What a reload needs: nothing secret but the id of the session. */
  save() {
    const { revision, sessionId, server, logLevel } = this;
    const isResumable = hasSession(revision) && !isHttpSse(revision);
    const calls = isResumable ? [...this.calls.values()].filter((call) => call.lastEventId !== null).map((call) => call.save()) : [];
    const stream = isResumable && this.stream && !this.stream.isOver ? { lastEventId: this.stream.lastEventId } : null;
    return { revision, sessionId, server, logLevel, lastId: this.#lastId, calls, stream };
  }

  /** Take up what `save` returned: the session, its calls and its stream. Returns the calls. */
  restore({ revision, sessionId, server, logLevel, lastId, calls, stream }) {
    Object.assign(this, { revision, sessionId, server, logLevel });
    this.#lastId = lastId;
    const restored = calls.map(({ id, method, params, note, questions, ...fields }) => {
      const call = new SessionCall(this, { id, method, params, note });
      Object.assign(call, fields);
      this.calls.set(id, call);
      this.#tell("call", { call });
      call.run(() => call.continue());
      for (const question of questions) this.#answer(question, { call, exchange: undefined });
      return call;
    });
    if (stream) this.openStream().lastEventId = stream.lastEventId;
    this.#tell("session");
    return restored;
  }

  #tell(type, detail = {}) {
    this.dispatchEvent(Object.assign(new Event(type), { detail }));
  }
}

/** What kind of question a request of the server is. */
function kindOf({ method, params }) {
  if (method === "elicitation/create") return params?.mode === "url" ? "elicitation-url" : "elicitation-form";
  if (method === "sampling/createMessage") return "sampling";
  if (method === "roots/list") return "roots";
  throw Object.assign(new Error(`Method not found: ${method}`), { code: -32601 });
}
