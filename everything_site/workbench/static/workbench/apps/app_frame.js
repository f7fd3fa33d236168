/**
 * `<es-app-frame>`: an MCP App in a frame of an opaque origin, and the host's side of the bridge to it.
 *
 * MCP Apps 2026-01-26 (SEP-1865). Only messages whose `source` is the frame's window are heard; their origin is "null".
 */

import { fill, h } from "../base/dom.js";
import { target } from "../base/web_address.js";
import { brief } from "../forms/schema_words.js";
import { extent } from "./extent.js";
import { appHtml, isVisibleToApps, wishes } from "./resources.js";

const PROTOCOL = "2026-01-26";
const HOST = { name: "everything-workbench", title: "Everything Server workbench", version: "1.0.0" };
const FRAME = "/try/frame";
const TALLEST = 900;
const MAX_PENDING = 20;
const MAX_PER_SECOND = 200; // messages; an app that sends more would occupy the page, and is stopped
const MAX_BUSY = 500; // milliseconds of a second that reading its messages may take, or it is stopped
const MAX_MESSAGE_LENGTH = 256 * 1024; // characters of a message; a larger one is dropped
const MAX_LOGGED = 100;
const MAX_BLOCKS = 20; // of content are shown
const MAX_SHOWN_LENGTH = 2000; // characters
const MAX_NAME_LENGTH = 80;
const MAX_URL_LENGTH = 2000;
const TEARDOWN_MS = 500;
const DENIED = -32000;

/** Our tokens by the names of the extension. */
const STYLES = {
  "--color-background-primary": "--surface",
  "--color-background-secondary": "--sunken",
  "--color-background-tertiary": "--page",
  "--color-text-primary": "--text",
  "--color-text-secondary": "--muted",
  "--color-text-info": "--accent",
  "--color-text-danger": "--error",
  "--color-text-success": "--ok",
  "--color-text-warning": "--question",
  "--color-border-primary": "--edge",
  "--color-border-secondary": "--line",
  "--color-ring-primary": "--accent",
  "--font-sans": "--font-sans",
  "--font-mono": "--font-mono",
  "--border-radius-md": "--radius-control",
  "--border-radius-lg": "--radius-card",
};

const theme = () => {
  const { colorScheme } = getComputedStyle(document.documentElement);
  if (colorScheme === "dark" || colorScheme === "light") return colorScheme;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
};

function variables() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(Object.entries(STYLES).map(([name, ours]) => [name, style.getPropertyValue(ours).trim()]).filter(([, value]) => value));
}

export class AppFrameElement extends HTMLElement {
  #how = null;
  #frame = null;
  #result;
  #reason;
  #isInitialized = false;
  #pending = 0;
  #heard = { since: 0, count: 0, busy: 0 };
  #lastId = 0;
  #waiting = new Map();
  #watch = new AbortController();
  #observer = null;

  constructor() {
    super();
    this.ask = h("div", { class: "app-ask", role: "group", hidden: true });
    this.place = h("div", { class: "app-place" });
    this.said = h("div", { class: "app-said", "aria-live": "polite" });
    this.entries = h("ol", { class: "app-log" });
    this.logTitle = h("summary", {}, "Messages of the bridge");
    this.wishes = h("p", { class: "field-notes" });
    this.log = h("details", {}, this.logTitle, this.entries);
  }

  connectedCallback() {
    if (!this.place.isConnected) this.append(this.ask, this.place, this.said, this.wishes, this.log);
  }

  disconnectedCallback() {
    this.#stop();
  }

  /**
   * Show an app.
   *
   * @param {Object} how
   * @param {Object} how.resource The result of `resources/read` of the app's `ui://` URI.
   * @param {Object} [how.tool] The tool that the app belongs to.
   * @param {Object} [how.arguments] The tool's arguments.
   * @param {Object} [how.result] Its result, if there is one already; else set `result` later.
   * @param {Map<string, Object>} [how.tools] The tools of the server by name; an app may call those that are visible to apps.
   * @param {(name: string, args: Object) => Promise<Object>} how.call Calls a tool.
   * @param {(uri: string) => Promise<Object>} how.read Reads a resource.
   */
  show(how) {
    this.#stop();
    const { html, fault, ui } = appHtml(how.resource);
    if (fault) {
      fill(this.place, h("p", { class: "field-error" }, fault));
      return;
    }
    this.#how = { ...how, html };
    this.#result = how.result;
    this.#reason = undefined;
    this.#watch = new AbortController();
    const { signal } = this.#watch;
    this.#frame = h("iframe", { class: "app-frame", src: FRAME, title: `App: ${how.tool?.title ?? how.tool?.name ?? ui.title ?? "user interface"}`, sandbox: "allow-scripts allow-forms", referrerpolicy: "no-referrer" });
    this.#frame.classList.toggle("borderless", ui.prefersBorder === false);
    window.addEventListener("message", (event) => this.#frame && event.source === this.#frame.contentWindow && this.#hear(event), { signal });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#tellTheme(), { signal });
    this.#observer = new MutationObserver(() => this.#tellTheme());
    this.#observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    this.wishes.textContent = wishes(ui);
    fill(this.place, this.#frame);
  }

  /** The tool's result; the app is told once it is ready. */
  set result(result) {
    this.#result = result;
    if (this.#isInitialized) this.#notify("ui/notifications/tool-result", result);
  }

  get result() {
    return this.#result;
  }

  /** The tool's call came to nothing. */
  cancelled(reason = "Cancelled") {
    this.#reason = reason;
    if (this.#isInitialized) this.#notify("ui/notifications/tool-cancelled", { reason });
  }

  /** Tell the app that it ends, wait half a second at most for its word, and remove it. */
  async close(reason = "The app was closed") {
    if (this.#isInitialized) await Promise.race([this.#request("ui/resource-teardown", { reason }), new Promise((resolve) => setTimeout(resolve, TEARDOWN_MS))]);
    this.#stop();
    this.remove();
  }

  #stop() {
    this.#watch.abort();
    this.#observer?.disconnect();
    this.#frame?.remove();
    this.#frame = null;
    this.#isInitialized = false;
    this.#pending = 0;
    this.ask.hidden = true;
    fill(this.entries);
    fill(this.said);
  }

  #send(message) {
    this.#note("→", message);
    this.#frame?.contentWindow?.postMessage({ jsonrpc: "2.0", ...message }, "*"); // the origin is opaque: it has no name
  }

  #notify(method, params) {
    this.#send({ method, params });
  }

  #request(method, params) {
    const id = `host-${++this.#lastId}`;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#send({ id, method, params });
    });
  }

  #hear(event) {
    const began = performance.now();
    if (began - this.#heard.since > 1000) this.#heard = { since: began, count: 0, busy: 0 };
    const heard = this.#heard;
    heard.count += 1;
    if (heard.count > MAX_PER_SECOND) return this.#halt(`it sent more than ${MAX_PER_SECOND} messages within a second`);
    this.#take(event.data); // which is read only here
    heard.busy += performance.now() - began;
    if (heard.busy > MAX_BUSY) this.#halt("its messages kept this page busy");
  }

  #halt(why) {
    this.#stop();
    fill(this.place, h("p", { class: "field-error", role: "alert" }, `The app was stopped: ${why}.`));
  }

  #take(message) {
    if (message === null || typeof message !== "object" || message.jsonrpc !== "2.0") return;
    if (extent(message, MAX_MESSAGE_LENGTH) > MAX_MESSAGE_LENGTH) return this.#drop(message);
    this.#note("←", message);
    if (typeof message.method !== "string") {
      this.#waiting.get(message.id)?.(message.result);
      this.#waiting.delete(message.id);
    } else if ("id" in message) this.#answer(message);
    else this.#noticed(message.method, message.params ?? {});
  }

  /** A message that is too large gets no further; whoever waits for an answer is told. */
  #drop({ id, method }) {
    const why = `A message of more than ${MAX_MESSAGE_LENGTH.toLocaleString("en")} characters was dropped.`;
    this.#log("←", why);
    if (typeof method === "string" && ["string", "number"].includes(typeof id) && String(id).length <= MAX_NAME_LENGTH) this.#send({ id, error: { code: DENIED, message: why } });
  }

  #noticed(method, params) {
    if (method === "ui/notifications/sandbox-proxy-ready") this.#notify("ui/notifications/sandbox-resource-ready", { html: this.#how.html });
    else if (method === "ui/notifications/size-changed") this.#resize(params.height);
    else if (method === "ui/notifications/initialized" && !this.#isInitialized) {
      this.#isInitialized = true;
      this.#notify("ui/notifications/tool-input", { arguments: this.#how.arguments ?? {} });
      if (this.#result !== undefined) this.#notify("ui/notifications/tool-result", this.#result);
      else if (this.#reason !== undefined) this.#notify("ui/notifications/tool-cancelled", { reason: this.#reason });
    } else if (method === "notifications/message") this.#show("The app logs", params.data ?? params);
  }

  async #answer({ id, method, params = {} }) {
    const frame = this.#frame;
    let answer;
    this.#pending += 1;
    try {
      if (this.#pending > MAX_PENDING) throw problem(DENIED, `More than ${MAX_PENDING} requests at once`);
      answer = { result: await this.#perform(method, params ?? {}) };
    } catch (error) {
      answer = { error: { code: Number.isInteger(error.code) ? error.code : DENIED, message: error.message, ...(error.data === undefined ? {} : { data: error.data }) } };
    }
    if (frame !== this.#frame) return; // another app is shown now
    this.#pending -= 1;
    this.#send({ id, ...answer });
  }

  #perform(method, params) {
    switch (method) {
      case "ui/initialize":
        return this.#initialize();
      case "ping":
        return {};
      case "tools/call":
        return this.#call(params);
      case "resources/read":
        return this.#how.read(params.uri);
      case "ui/open-link":
        return this.#openLink(params.url);
      case "ui/message":
        this.#show(`The app says, as the ${cut(String(params.role ?? "user"), MAX_NAME_LENGTH)}`, text(params.content));
        return {};
      case "ui/update-model-context":
        this.#show("The app tells the model", params.structuredContent ?? text(params.content));
        return {};
      case "ui/request-display-mode":
        return { mode: "inline" };
      default:
        throw problem(-32601, `Method not found: ${method}`);
    }
  }

  #initialize() {
    const { tool } = this.#how;
    const { locale, timeZone } = Intl.DateTimeFormat().resolvedOptions();
    return {
      protocolVersion: PROTOCOL,
      hostInfo: HOST,
      hostCapabilities: { openLinks: {}, serverTools: {}, serverResources: {}, logging: {}, sandbox: { csp: {}, permissions: {} } },
      hostContext: {
        ...(tool ? { toolInfo: { tool } } : {}),
        theme: theme(),
        styles: { variables: variables() },
        displayMode: "inline",
        availableDisplayModes: ["inline"],
        containerDimensions: { width: this.#frame.clientWidth, maxHeight: TALLEST },
        locale,
        timeZone,
        userAgent: HOST.name,
        platform: "web",
        deviceCapabilities: { touch: matchMedia("(pointer: coarse)").matches, hover: matchMedia("(hover: hover)").matches },
      },
    };
  }

  async #call({ name, arguments: args = {} }) {
    const { tools, call } = this.#how;
    const tool = tools?.get(name);
    if (tools && !tool) throw problem(-32602, `Unknown tool: ${name}`);
    if (tool && !isVisibleToApps(tool)) throw problem(DENIED, `The tool ${name} is not visible to apps`);
    return call(name, args);
  }

  /** A person decides, within the page; one link at a time. */
  #openLink(url) {
    const { host, isWeb } = target(url);
    if (!isWeb || url.length > MAX_URL_LENGTH) throw problem(DENIED, "Invalid URL");
    if (!this.ask.hidden) throw problem(DENIED, "Another link waits for the person");
    return new Promise((resolve, reject) => {
      const close = () => (this.ask.hidden = true);
      const deny = () => (close(), reject(problem(DENIED, "Link opening denied by user")));
      fill(
        this.ask,
        h("p", { role: "status" }, "The app wants to open ", h("strong", {}, host), " ", h("code", {}, url)),
        h("div", { class: "question-actions" }, h("a", { class: "button main", href: url, target: "_blank", rel: "noopener noreferrer", onclick: () => (close(), resolve({})) }, "Open page"), h("button", { type: "button", onclick: deny }, "Refuse")),
      );
      this.ask.setAttribute("aria-label", "A link of the app");
      this.ask.hidden = false;
      this.#watch.signal.addEventListener("abort", deny, { once: true });
    });
  }

  #resize(height) {
    if (!Number.isFinite(height) || !this.#frame) return;
    this.#frame.style.height = `${Math.min(TALLEST, Math.max(32, Math.ceil(height)))}px`;
  }

  #tellTheme() {
    if (this.#isInitialized) this.#notify("ui/notifications/host-context-changed", { theme: theme(), styles: { variables: variables() } });
  }

  #show(title, data) {
    this.said.append(h("p", {}, h("strong", {}, `${title}: `), typeof data === "string" ? cut(data, MAX_SHOWN_LENGTH) : brief(data, 400)));
    while (this.said.children.length > 5) this.said.firstChild.remove();
  }

  #note(arrow, { method, id, error }) {
    const kind = method ?? (error ? `error ${error.code}` : "result");
    this.#log(arrow, h("code", {}, cut(kind, MAX_NAME_LENGTH)), id === undefined ? "" : ` ${cut(String(id), MAX_NAME_LENGTH)}`);
  }

  #log(arrow, ...words) {
    this.entries.append(h("li", {}, h("span", { "aria-label": arrow === "→" ? "to the app" : "from the app" }, arrow), " ", words));
    while (this.entries.children.length > MAX_LOGGED) this.entries.firstChild.remove();
    this.logTitle.textContent = `Messages of the bridge (${this.entries.children.length})`;
  }
}

const cut = (words, most) => (words.length > most ? `${words.slice(0, most)}…` : words);

/** The text of content blocks. */
const text = (content) => [content ?? []].flat().slice(0, MAX_BLOCKS).map((block) => block?.text ?? brief(block ?? null)).join("\n");

const problem = (code, message) => Object.assign(new Error(message), { code });

customElements.define("es-app-frame", AppFrameElement);
