/**
 * `<es-wire>`: the wire log. Shows a recording as it grows: a row for each exchange, beneath it its events, markers,
 * answers and resumptions, and its request and response when it is opened.
 *
 * Properties: `recording` (a Recording), `filter` ({text, lane, kind, process, errors}), `letters` (whether single
 * letters are shortcuts). Attributes: `compact` (no toolbar), `fold-handshake`, `no-follow`, `linkable` (the
 * page understands `#exchange-ID`), `empty` (text).
 * Events, all bubbling: `resend` (detail: the request), `filter` (detail: the filter) and `select` (detail:
 * the exchange). `show(id)` brings an exchange into view.
 */

import { h } from "../base/dom.js";
import { sent } from "../protocol/messages.js";
import { matches, options } from "./filter.js";
import { WireMenu } from "./menu.js";
import { WireNode } from "./node.js";
import { fillGroup, row } from "./rows.js";
import { Toolbar } from "./toolbar.js";

const NEAR_THE_END = 24;

export class Wire extends HTMLElement {
  #recording = null;
  #nodes = new Map();
  #groups = [];
  #dirty = new Map();
  #frame = 0;
  #filter = {};
  #unseen = 0;
  #grid;
  #scroller;
  #toolbar;
  #newRows;
  #notice;
  #menu;

  letters = true;

  constructor() {
    super();
    this.#menu = new WireMenu(this);
    this.#grid = h("div", { class: "w-grid", role: "treegrid", "aria-label": "Messages" });
    this.#notice = h("p", { class: "w-notice", hidden: true });
    this.#scroller = h("div", { class: "w-scroll", role: "log", "aria-live": "off", "aria-label": "Wire log" }, this.#notice, this.#grid);
    this.#newRows = h("button", { class: "w-new", type: "button", hidden: true, onclick: () => this.follow() });
    this.#toolbar = new Toolbar(this);
    this.#grid.addEventListener("keydown", (event) => this.#onKey(event));
    this.#grid.addEventListener("click", (event) => this.#onClick(event));
    this.#grid.addEventListener("focusin", (event) => this.#moveStop(event.target.closest(".w-row")));
    this.#scroller.addEventListener("scroll", () => this.#isAtEnd && this.#seen(), { passive: true });
  }

  connectedCallback() {
    if (this.#scroller.isConnected) return;
    this.replaceChildren(...(this.hasAttribute("compact") ? [] : [this.#toolbar.element]), this.#scroller, this.#newRows);
    this.#rebuild();
  }

  disconnectedCallback() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  get recording() {
    return this.#recording;
  }

  set recording(recording) {
    this.#recording?.removeEventListener("change", this.#onChange);
    this.#recording = recording;
    recording?.addEventListener("change", this.#onChange);
    this.#rebuild();
  }

  get filter() {
    return this.#filter;
  }

  set filter(filter) {
    this.#filter = filter ?? {};
    this.#toolbar.show(this.#filter, options(this.#recording?.exchanges ?? []));
    this.#applyFilter();
  }

  /** The exchanges that the filter leaves. */
  get shown() {
    return [...this.#nodes.values()].filter(({ box }) => !box.closest("[hidden]")).map(({ exchange }) => exchange);
  }

  /** Whether a screen reader is told of new rows. */
  set announced(on) {
    this.#scroller.setAttribute("aria-live", on ? "polite" : "off");
  }

  get announced() {
    return this.#scroller.getAttribute("aria-live") !== "off";
  }

  /** Bring an exchange, or one `event` of it (an index), into view, opened if `open`; with `only`, fold all others. */
  show(id, { event = null, open = true, only = false, focus = false } = {}) {
    const node = this.#nodes.get(Number(id));
    if (!node) return;
    if (only) for (const other of this.#nodes.values()) other.close();
    const group = this.#groups.find(({ exchanges }) => exchanges.includes(node.exchange));
    if (open) this.#unfoldTo(node.box);
    if (event === null) node.open(open);
    const line = (group && !open ? group.row : event === null ? node.row : node.showEvent(event)) ?? node.row;
    this.#select(line, { focus });
    const top = line.getBoundingClientRect().top - this.#scroller.getBoundingClientRect().top;
    this.#scroller.scrollTop += top - 40;
  }

  #unfoldTo(box) {
    for (let one = box.parentElement; one && one !== this.#grid; one = one.parentElement) {
      if (one.hidden && one.classList.contains("w-kids")) (one.previousRow.branch ?? one.previousRow.toggleRow)();
    }
  }

  /** Go to the newest row and stay there. */
  follow() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#seen();
  }

  #onChange = ({ detail }) => {
    if (detail.kind === "clear") return this.#rebuild();
    if (detail.kind === "drop") return this.#drop(detail.exchange);
    if (detail.exchange) this.#dirty.set(detail.exchange.id, detail.exchange);
    this.#frame ||= requestAnimationFrame(() => this.#update());
    return undefined;
  };

  #rebuild() {
    this.#nodes.clear();
    this.#groups = [];
    this.#dirty.clear();
    this.#unseen = 0;
    this.#grid.replaceChildren();
    for (const exchange of this.#recording?.exchanges ?? []) this.#dirty.set(exchange.id, exchange);
    this.#update();
  }

  #update() {
    this.#frame = 0;
    const wasAtEnd = this.#isAtEnd;
    let added = 0;
    for (const exchange of this.#dirty.values()) {
      if (!this.#nodes.has(exchange.id)) this.#add(exchange);
      added += this.#nodes.get(exchange.id).update();
    }
    this.#dirty.clear();
    const choices = options(this.#recording?.exchanges ?? []);
    this.#toolbar.show(this.#filter, choices);
    this.classList.toggle("w-without-processes", choices.processes.length < 2);
    this.#applyFilter();
    this.#sayWhatIsMissing();
    if (!this.#grid.querySelector('.w-row[tabindex="0"]')) this.#moveStop(this.#grid.querySelector(".w-row"));
    if (this.hasAttribute("no-follow")) return;
    if (wasAtEnd) this.follow();
    else if (added) this.#tellOfNew(added);
  }

  #add(exchange) {
    const parent = exchange.parent === null ? null : this.#nodes.get(exchange.parent);
    const group = parent ? null : this.#groupFor(exchange);
    const level = parent ? parent.level + 1 : group ? 2 : 1;
    const node = new WireNode(exchange, level, (button) => this.#menu.open(exchange, button));
    this.#nodes.set(exchange.id, node);
    if (parent) parent.adopt(node);
    else (group?.kids ?? this.#grid).append(node.box);
    if (group) fillGroup(group.row, "Session opened", group.exchanges);
  }

  /** The line into which a handshake is folded, if it is to be. */
  #groupFor(exchange) {
    if (!this.hasAttribute("fold-handshake")) return null;
    const method = sent(exchange.request)[0]?.method;
    if (method === "notifications/initialized" && this.#groups.length) {
      this.#groups.at(-1).exchanges.push(exchange);
      return this.#groups.at(-1);
    }
    if (method !== "initialize") return null;
    const group = { row: row(1, "exchange"), kids: h("div", { class: "w-kids", hidden: true }), exchanges: [exchange] };
    group.row.setAttribute("aria-expanded", "false");
    group.kids.previousRow = group.row;
    group.row.toggleRow = () => {
      group.kids.hidden = !group.kids.hidden;
      group.row.setAttribute("aria-expanded", String(!group.kids.hidden));
    };
    this.#grid.append(h("div", { class: "w-group" }, group.row, group.kids));
    this.#groups.push(group);
    return group;
  }

  #drop(exchange) {
    const node = this.#nodes.get(exchange.id);
    if (!node) return;
    node.box.after(...node.kids.querySelectorAll(":scope > .w-group"));
    node.box.remove();
    this.#nodes.delete(exchange.id);
    this.#sayWhatIsMissing();
  }

  #sayWhatIsMissing() {
    const dropped = this.#recording?.dropped ?? 0;
    const isEmpty = this.#nodes.size === 0;
    const isFiltered = !isEmpty && this.shown.length === 0;
    this.#notice.hidden = !dropped && !isEmpty && !isFiltered;
    this.#grid.hidden = isEmpty;
    if (isEmpty) this.#notice.textContent = this.getAttribute("empty") ?? "Nothing sent yet. Press Connect, and the first exchanges appear here.";
    else if (isFiltered) this.#notice.textContent = "No exchange matches the filter.";
    else this.#notice.textContent = `${dropped} older ${dropped === 1 ? "exchange was" : "exchanges were"} dropped to save memory.`;
  }

  #applyFilter() {
    for (const node of [...this.#nodes.values()].reverse()) {
      const hasShownChild = [...node.kids.children].some((box) => box.matches(".w-group:not([hidden])"));
      node.box.hidden = !matches(node.exchange, this.#filter) && !hasShownChild;
    }
    for (const { row: line, kids } of this.#groups) {
      line.parentElement.hidden = [...kids.children].every((box) => box.hidden);
    }
    this.#sayWhatIsMissing();
  }

  get #isAtEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
    return scrollTop + clientHeight >= scrollHeight - NEAR_THE_END;
  }

  #tellOfNew(added) {
    this.#unseen += added;
    this.#newRows.textContent = `${this.#unseen} new ↓`;
    this.#newRows.hidden = false;
  }

  #seen() {
    this.#unseen = 0;
    this.#newRows.hidden = true;
  }

  #onClick(event) {
    const line = event.target.closest(".w-row");
    if (!line || event.target.closest("button, a, input, .w-detail")) return;
    if (event.target.closest(".w-chevron") && line.branch) line.branch();
    else line.toggleRow?.();
    this.#select(line, { focus: true });
  }

  #select(line, { focus }) {
    this.#grid.querySelector('[aria-selected="true"]')?.removeAttribute("aria-selected");
    line.setAttribute("aria-selected", "true");
    this.#moveStop(line);
    if (focus) line.focus({ preventScroll: true });
    const exchange = this.#exchangeOf(line);
    if (exchange) this.dispatchEvent(new CustomEvent("select", { bubbles: true, detail: exchange }));
  }

  #moveStop(line) {
    if (!line) return;
    this.#grid.querySelector('.w-row[tabindex="0"]')?.setAttribute("tabindex", "-1");
    line.setAttribute("tabindex", "0");
  }

  #exchangeOf(line) {
    return this.#nodes.get(Number(line.closest(".w-group")?.dataset.exchange))?.exchange ?? null;
  }

  #onKey(event) {
    const line = event.target;
    if (!line.classList.contains("w-row") || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = this.#actions[event.key];
    if (!action || (/^[a-z]$/.test(event.key) && !this.letters)) return;
    event.preventDefault();
    event.stopPropagation();
    action(line);
  }

  #actions = {
    ArrowDown: (line) => this.#step(line, 1),
    ArrowUp: (line) => this.#step(line, -1),
    j: (line) => this.#step(line, 1),
    k: (line) => this.#step(line, -1),
    Home: () => this.#visibleRows.at(0)?.focus(),
    End: () => this.#visibleRows.at(-1)?.focus(),
    Enter: (line) => line.toggleRow?.(),
    " ": (line) => line.toggleRow?.(),
    ArrowRight: (line) => line.unfold?.() ?? (line.toggleRow && line.getAttribute("aria-expanded") === "false" && line.toggleRow()),
    ArrowLeft: (line) => line.fold?.() || this.#parentRow(line)?.focus(),
    c: (line) => this.#menu.copyAs("curl", this.#exchangeOf(line)),
    e: (line) => this.#menu.resend(this.#exchangeOf(line)),
    m: (line) => line.querySelector(".w-menu-button")?.click(),
  };

  get #visibleRows() {
    return [...this.#grid.querySelectorAll(".w-row")].filter((line) => line.offsetParent !== null);
  }

  #step(line, by) {
    const lines = this.#visibleRows;
    lines[Math.min(lines.length - 1, Math.max(0, lines.indexOf(line) + by))]?.focus();
  }

  #parentRow(line) {
    const group = line.classList.contains("w-exchange") ? line.parentElement.parentElement.closest(".w-group") : line.closest(".w-group");
    return group?.querySelector(":scope > .w-row") ?? null;
  }
}

customElements.define("es-wire", Wire);
