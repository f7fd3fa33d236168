/**
 * `<es-room>`, the machine room: a live picture of the processes, what they hold in Redis, and what they tell each other.
 *
 *     room.feed = { url: "/try/room", token: () => accessToken };
 *
 * Beside the picture, the same is always there as text. Attribute `data-feed`: the URL of a feed that needs no token.
 * Dispatches `room` with each event of a process in `detail`.
 */

import { append, fill, h } from "../base/dom.js";
import { RoomFeed } from "./feed.js";
import { Flights } from "./flights.js";
import { NO_SESSION, RoomModel } from "./model.js";
import { Processes } from "./processes.js";
import { count, leaseWords, stateWords } from "./words.js";

/** With more processes the cards are small. */
const MANY = 8;

const isLive = (process, relayed) => process && process.state !== "gone" && relayed?.state !== "dead";
const seconds = () => Date.now() / 1000;

export class Room extends HTMLElement {
  model = new RoomModel();
  /** The relay, if there is one; to be set before the element is in the page. */
  relay = new Processes();
  #feed = null;
  #flights = null;
  #parts = null;
  #kept = new Map();
  #timer = 0;
  #frame = 0;
  #paused = false;
  #resized = new ResizeObserver(() => this.#drawSoon());

  /** @param {{url: string, token?: string | (() => string | Promise<string>)} | null} where Where the events come from. */
  set feed(where) {
    this.#feed?.close();
    this.#feed = where && new RoomFeed(where);
    this.model.clear();
    if (!this.#feed) return;
    this.#feed.addEventListener("message", ({ detail }) => this.model.apply(detail, seconds()));
    this.#feed.addEventListener("status", ({ detail }) => this.#onStatus(detail));
    this.#openIfSeen();
  }

  /** Whether the stream is given up for the moment, as when a browser has no connection to spare. */
  set paused(is) {
    this.#paused = is;
    if (this.#parts) this.#onStatus(is ? "Paused: the connection is needed elsewhere." : "");
    this.#openIfSeen();
  }

  get paused() {
    return this.#paused;
  }

  connectedCallback() {
    if (!this.#parts) this.#build();
    this.model.addEventListener("change", this.#onChange);
    this.model.addEventListener("event", this.#onEvent);
    this.relay.addEventListener("change", this.#onRelay);
    document.addEventListener("visibilitychange", this.#openIfSeen);
    this.#timer = setInterval(() => this.model.tick(seconds()), 500);
    this.#resized.observe(this);
    if (this.dataset.feed && !this.#feed) this.feed = { url: this.dataset.feed };
    this.#openIfSeen();
  }

  disconnectedCallback() {
    this.model.removeEventListener("change", this.#onChange);
    this.model.removeEventListener("event", this.#onEvent);
    this.relay.removeEventListener("change", this.#onRelay);
    document.removeEventListener("visibilitychange", this.#openIfSeen);
    clearInterval(this.#timer);
    this.#resized.disconnect();
    this.#feed?.close();
    this.relay.unwatch();
  }

  #openIfSeen = () => {
    if (this.isConnected && !document.hidden && !this.#paused) this.#feed?.open();
    else {
      this.#feed?.close();
      this.relay.unwatch();
    }
  };

  #onStatus(text) {
    this.#parts.status.textContent = text;
    this.#parts.status.hidden = !text;
    if (text) return;
    // Only the relay calls processes so, and it answers on this computer alone.
    if (/^p\d+$/.test(this.#feed?.servedBy ?? "") && /^(localhost|.+\.localhost|127\..+|\[::1\])$/.test(location.hostname)) this.relay.watch();
  }

  #onChange = () => this.#drawSoon();

  #onRelay = () => {
    for (const { name, state } of this.relay.list) if (state !== "up") this.model.lost(name, seconds());
    this.#drawSoon();
  };

  #onEvent = ({ detail }) => {
    this.#flights.show(detail, (kind, key) => this.#kept.get(`${kind} ${key}`));
    this.dispatchEvent(new CustomEvent("room", { detail, bubbles: true }));
  };

  #build() {
    const parts = (this.#parts = {
      summary: h("p", { class: "r-summary" }),
      status: h("p", { class: "r-status", role: "status" }, "Connecting…"),
      clients: h("ul", { class: "r-clients", "aria-label": "Clients" }),
      processes: h("ul", { class: "r-processes", "aria-label": "Processes" }),
      sessions: h("ul", { class: "r-sessions", "aria-label": "Sessions in Redis" }),
      database: h("p", { class: "r-database" }),
      table: h("tbody", null),
      log: h("ol", { class: "r-events", "aria-label": "Last events", tabIndex: 0 }),
      failed: h("p", { class: "r-failed", role: "alert" }),
    });
    parts.lines = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    parts.lines.setAttribute("class", "r-lines");
    parts.lines.setAttribute("aria-hidden", "true");
    parts.redis = h("section", { class: "r-redis", "aria-label": "Redis" }, h("h2", null, "Redis", h("span", null, "session logs, leases, wake-ups")), parts.sessions);
    parts.picture = h(
      "div",
      { class: "r-picture" },
      parts.lines,
      h("div", { class: "r-band r-top" }, h("h2", null, "Clients"), parts.clients),
      h("div", { class: "r-band" }, h("h2", null, "Processes"), parts.processes),
      h("div", { class: "r-stores" }, parts.redis, h("section", { class: "r-db", "aria-label": "Database" }, h("h2", null, "Database"), parts.database)),
    );
    const heads = ["Process", "State", "Streams", "Calls held"].map((name) => h("th", { scope: "col" }, name));
    parts.text = h(
      "div",
      { class: "r-text" },
      h("h2", null, "As text"),
      h("div", { class: "r-scroll", role: "group", "aria-label": "Processes as text", tabIndex: 0 }, h("table", null, h("thead", null, h("tr", null, heads)), parts.table)),
      h("h2", null, "Last events"),
      parts.log,
    );
    this.#flights = new Flights(parts.picture, parts.redis, parts.log);
    append(this, [h("div", { class: "r-head" }, parts.summary, parts.status), parts.failed, h("div", { class: "r-columns" }, parts.picture, parts.text)]);
    this.#draw();
  }

  #drawSoon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const { model, relay } = this;
    const now = seconds();
    const cards = this.#cards();
    const sessions = [...model.sessions.values()];
    const streams = new Map(sessions.map(({ id }) => [id, new Set()]));
    for (const process of model.ordered) if (process.state !== "gone") for (const { session } of process.streams) streams.get(session)?.add(process.name);
    this.#keep(this.#parts.clients, "client", sessions.map(({ id }) => id), (element, id) => this.#drawClient(element, model.sessions.get(id), streams.get(id)));
    this.#keep(this.#parts.processes, "process", cards.map(({ key }) => key), (element, key) => this.#drawProcess(element, cards.find((card) => card.key === key), now));
    this.#keep(this.#parts.sessions, "session", sessions.filter(({ id }) => id !== NO_SESSION).map(({ id }) => id), (element, id) => this.#drawSession(element, model.sessions.get(id)));
    this.#parts.processes.classList.toggle("r-many", cards.length > MANY);
    this.#parts.picture.classList.toggle("r-crowded", cards.length > MANY);
    this.#parts.clients.dataset.empty = "No client has done anything yet. Call a tool, and its client appears here.";
    this.#parts.sessions.dataset.empty = "No session has written anything yet.";
    const live = [...model.processes.values()].filter(({ state }) => state === "up").length;
    const running = [...model.calls.values()].filter(({ state }) => state === "running").length;
    this.#parts.summary.textContent = `${count(live, "process")} serving · ${count(sessions.filter(({ id }) => id !== NO_SESSION).length, "session")} · ${count(running, "long call")}`;
    fill(this.#parts.database, h("strong", null, String(model.queries.total)), ` ${model.queries.total === 1 ? "query" : "queries"} since you opened this page`);
    this.#parts.database.classList.toggle("r-lit", now - model.queries.at < 1);
    this.#drawText(cards, now);
    this.#drawLines();
    if (relay.isAvailable) this.dataset.relay = "";
  }

  /** The processes of the feed and of the relay together. */
  #cards() {
    const found = this.model.ordered.map((process) => ({ key: process.key, name: process.name, process, relayed: this.relay.find(process.name) }));
    const known = new Set(found.map(({ name }) => name));
    for (const relayed of this.relay.list) if (!known.has(relayed.name)) found.push({ key: relayed.name, name: relayed.name, relayed });
    return found.sort((one, other) => one.name.localeCompare(other.name, "en", { numeric: true }));
  }

  /** Keep one element for each key, in this order; new ones fade in. */
  #keep(parent, kind, keys, draw) {
    const wanted = new Set(keys.map((key) => `${kind} ${key}`));
    for (const [name, element] of this.#kept)
      if (name.startsWith(`${kind} `) && !wanted.has(name)) {
        element.remove();
        this.#kept.delete(name);
      }
    let before = parent.firstElementChild;
    for (const key of keys) {
      const name = `${kind} ${key}`;
      let element = this.#kept.get(name);
      if (!element) {
        element = h("li", { class: `r-${kind.split(" ")[0]}`, dataset: { key } });
        this.#kept.set(name, element);
        this.#flights.appear(element);
      }
      if (element === before) before = before.nextElementSibling;
      else parent.insertBefore(element, before);
      draw(element, key);
    }
  }

  #drawClient(element, session, streams) {
    const isNone = session.id === NO_SESSION;
    const asking = session.asking.size > 0;
    const drawn = JSON.stringify([session.client, session.user, [...streams], asking]);
    if (element.dataset.drawn === drawn) return;
    element.dataset.drawn = drawn;
    element.classList.toggle("r-asking", asking);
    fill(
      element,
      h("bdi", { class: "r-name" }, isNone ? "Clients without a session" : session.client || "A client"),
      h("span", { class: "r-small" }, isNone ? "revision 2026-07-28" : [session.user && h("bdi", null, session.user), session.user && " · ", h("code", null, `${session.id.slice(0, 6)}…`)]),
      streams.size ? h("span", { class: "r-small" }, `listens at ${[...streams].join(", ")}`) : null,
      asking ? h("span", { class: "r-mark" }, "is being asked") : null,
    );
  }

  #drawProcess(element, { name, process, relayed }, now) {
    const state = relayed && relayed.state !== "up" ? relayed.state : (process?.state ?? "idle");
    const calls = [...this.model.calls.values()].filter((call) => call.process === process?.key);
    element.dataset.colour = String(process?.index ?? this.#colour(name));
    element.dataset.state = state;
    let body = element.querySelector(".r-body");
    if (!body) {
      const beat = h("span", { class: "r-beat", "aria-hidden": "true" });
      append(element, [
        h("div", { class: "r-card-head" }, beat, h("strong", { class: "r-name" }, name), h("span", { class: "r-state" })),
        (body = h("ul", { class: "r-body", dataset: { process: name }, "aria-label": `Long calls of ${name}` })),
        h("div", { class: "r-foot" }, h("span", { class: "r-served r-small" }), h("span", { class: "r-actions" })),
      ]);
    }
    this.#flights.beat(element.querySelector(".r-beat"), process);
    const said = element.querySelector(".r-state");
    const words = stateWords(process, now, relayed);
    if (said.textContent !== words) said.textContent = words;
    const served = isLive(process, relayed) && relayed?.state !== "starting" ? `${count(process.requests, "call")} · ${count(process.streams.length, "stream")}` : "";
    const foot = element.querySelector(".r-served");
    if (foot.textContent !== served) foot.textContent = served;
    this.#keepCalls(body, calls, process, now);
    this.#drawActions(element.querySelector(".r-actions"), name, relayed);
  }

  #colour(name) {
    return ((Number(/\d+$/.exec(name)?.[0] ?? 1) - 1) % 4) + 1;
  }

  #keepCalls(body, calls, process, now) {
    const names = calls.map(({ call }) => call);
    this.#keep(body, `call of ${body.dataset.process}`, names, (element, name) => {
      const call = calls.find((one) => one.call === name);
      const words = leaseWords(call, process, now);
      const drawn = JSON.stringify([call.tool, call.runs, call.state, words]);
      if (element.dataset.drawn !== drawn) {
        element.dataset.drawn = drawn;
        element.dataset.state = call.state;
        const bar = h("span", { class: "r-lease", "aria-hidden": "true" }, h("span", null));
        fill(element, h("span", { class: "r-call-name" }, call.tool || call.method || "a call"), words ? h("span", { class: "r-mark" }, words) : null, bar);
        element.dataset.renewed = "";
      }
      this.#flights.lease(element, call, process?.state);
    });
    let questions = body.querySelector(":scope > .r-question");
    if (process?.questions.size && !questions) body.append((questions = h("li", { class: "r-question" })));
    if (questions) {
      if (process?.questions.size) questions.textContent = `waits for ${count(process.questions.size, "answer")}`;
      else questions.remove();
    }
  }

  /** One button, which keeps the focus while what it does changes. */
  #drawActions(parent, name, relayed) {
    if (!relayed) return;
    const button = parent.querySelector("button") ?? parent.appendChild(h("button", { type: "button", onclick: () => this.#act(name, button.dataset.action) }));
    if (button.dataset.state === relayed.state) return;
    const [word, action] = { up: ["Kill", "kill"], dead: ["Start", "start"] }[relayed.state] ?? ["Starting…", ""];
    Object.assign(button.dataset, { state: relayed.state, action });
    button.textContent = word;
    button.classList.toggle("r-kill", action === "kill");
    button.setAttribute("aria-label", action ? `${word} ${name}` : `${name} is starting`);
    button.setAttribute("aria-disabled", String(!action));
  }

  async #act(name, action) {
    if (!action) return;
    try {
      await this.relay[action](name);
      this.#parts.failed.textContent = "";
    } catch (error) {
      this.#parts.failed.textContent = `${name} could not be ${action === "kill" ? "killed" : "started"}: ${error.message}`;
    }
  }

  #drawSession(element, session) {
    const calls = [...this.model.calls.values()].filter((call) => call.session === session.id && call.state !== "settled");
    const holders = calls.map((call) => {
      const holder = this.model.processes.get(call.process);
      const state = call.state === "running" && holder?.state === "gone" ? "ending" : call.state;
      return [call.call, state, holder?.name ?? call.process, holder?.index ?? 1];
    });
    const drawn = JSON.stringify([session.entries, session.user, holders]);
    if (element.dataset.drawn === drawn) return;
    element.dataset.drawn = drawn;
    fill(
      element,
      h("span", { class: "r-small r-whose" }, h("code", null, `${session.id.slice(0, 6)}…`), session.user ? [" ", h("bdi", null, session.user)] : null),
      h("span", { class: "r-strip", title: `${count(session.entries, "entry")} appended since you opened this page` }, session.ticks.map((tick) => h("span", { class: "r-tick", dataset: { colour: String(tick.process) } }))),
      h("span", { class: "r-leases" }, holders.map(([, state, name, colour]) => h("span", { class: "r-holder", dataset: { colour: String(colour), state } }, state === "expired" ? `lease of ${name} ended` : state === "ending" ? `lease of ${name} runs out` : `lease: ${name}`))),
    );
  }

  #drawText(cards, now) {
    const { calls } = this.model;
    const rows = cards.map(({ key, name, process, relayed }) =>
      h(
        "tr",
        null,
        h("th", { scope: "row" }, name),
        h("td", null, stateWords(process, now, relayed)),
        h("td", null, isLive(process, relayed) ? String(process.streams.length) : "–"),
        h("td", null, [...calls.values()].filter((call) => call.process === key && call.state !== "settled").map((call) => `${call.tool || call.method}${call.runs > 1 ? ` (run ${call.runs})` : ""}${call.state === "expired" ? " – lease ended" : ""}`).join(", ") || "–"),
      ),
    );
    fill(this.#parts.table, rows.length ? rows : h("tr", null, h("td", { colSpan: 4 }, "No process has reported yet.")));
    const text = JSON.stringify(this.model.events);
    if (this.#parts.log.dataset.drawn === text) return;
    this.#parts.log.dataset.drawn = text;
    fill(
      this.#parts.log,
      this.model.events.map((event) =>
        h("li", { dataset: { type: event.type } }, h("time", null, new Date(event.at * 1000).toLocaleTimeString("en-GB")), h("span", null, event.text, event.times > 1 ? h("span", { class: "r-times" }, ` × ${event.times}`) : null)),
      ),
    );
  }

  /** A line from each client to the processes at which it has a stream. */
  #drawLines() {
    const { lines, picture } = this.#parts;
    const frame = picture.getBoundingClientRect();
    lines.setAttribute("viewBox", `0 0 ${Math.max(1, frame.width)} ${Math.max(1, frame.height)}`);
    const wanted = new Map();
    for (const process of this.model.processes.values())
      for (const stream of process.streams) {
        const key = `${stream.session} ${process.key} ${stream.listens}`;
        if (process.state !== "gone") wanted.set(key, { stream, process });
      }
    for (const line of [...lines.children]) if (!wanted.has(line.dataset.key)) line.remove();
    const drawn = new Map([...lines.children].map((line) => [line.dataset.key, line]));
    for (const [key, { stream, process }] of wanted) {
      const from = this.#kept.get(`client ${stream.session}`)?.getBoundingClientRect();
      const to = this.#kept.get(`process ${process.key}`)?.getBoundingClientRect();
      if (!from || !to) continue;
      let line = drawn.get(key);
      if (!line) {
        line = document.createElementNS("http://www.w3.org/2000/svg", "path");
        line.dataset.key = key;
        lines.append(line);
      }
      line.dataset.colour = String(process.index);
      line.classList.toggle("r-listens", stream.listens);
      line.classList.toggle("r-broken", process.state === "late");
      const shift = stream.listens ? 6 : -6;
      const [x1, y1] = [from.left + from.width / 2 - frame.left + shift, from.bottom - frame.top];
      const [x2, y2] = [to.left + to.width / 2 - frame.left + shift, to.top - frame.top];
      const middle = (y1 + y2) / 2;
      line.setAttribute("d", `M${x1} ${y1} C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}`);
    }
  }
}

if (!customElements.get("es-room")) customElements.define("es-room", Room);
