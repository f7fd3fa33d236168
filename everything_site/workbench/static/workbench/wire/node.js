/** One exchange in the wire log: its row, what unfolds, and beneath it events, markers and other exchanges. */

import { h } from "../base/dom.js";
import { exchangeDetail, eventDetail } from "./detail.js";
import { fillComments, fillEvent, fillExchange, fillMark, row } from "./rows.js";

export class WireNode {
  #items = new Map();
  #detail = null;
  #drawn = { events: 0, marks: 0, children: 0 };
  #children = [];
  #menuButton;

  /** `level` counts from 1; `openMenu(button)` opens the menu of the exchange. */
  constructor(exchange, level, openMenu) {
    this.exchange = exchange;
    this.level = level;
    this.row = row(level, "exchange");
    this.kids = h("div", { class: "w-kids" });
    this.kids.previousRow = this.row;
    this.box = h("div", { class: "w-group", dataset: { exchange: String(exchange.id) } }, this.row, this.kids);
    this.#menuButton = h("button", { class: "w-menu-button", type: "button", tabIndex: -1, "aria-haspopup": "menu", "aria-label": "Actions" }, "⋯");
    this.#menuButton.addEventListener("click", () => openMenu(this.#menuButton));
    this.row.toggleRow = () => this.open(!this.#detail);
    this.row.branch = () => this.#unfoldKids(this.kids.hidden);
    this.row.unfold = () => this.#unfold();
    this.row.fold = () => this.#fold();
  }

  /** Draw what is new; returns how many rows were added. */
  update() {
    const before = this.#items.size;
    this.#drawItems();
    fillExchange(this.row, this.exchange, { hasChildren: this.#items.size > 0, menu: this.#menuButton });
    if (this.#detail) this.#redrawDetail();
    this.#sayExpanded();
    return this.#items.size - before + (before === 0 && this.#drawn.events === 0 ? 1 : 0);
  }

  /** An exchange that belongs to this one: an answer, a resumption, a further round. */
  adopt(node) {
    this.#children.push(node);
    this.update();
  }

  /** Show or hide request and response. */
  open(wanted) {
    if (wanted === Boolean(this.#detail)) return;
    if (wanted) {
      this.#detail = detailRow(this.level + 1, exchangeDetail(this.exchange));
      this.row.after(this.#detail);
    } else {
      this.#detail.remove();
      this.#detail = null;
    }
    this.#sayExpanded();
  }

  /** Hide what is open here, of the exchange and of its events. */
  close() {
    this.open(false);
    for (const line of this.kids.querySelectorAll(":scope > .w-event-box > .w-row")) line.fold();
  }

  /** Open an event, given by its index; returns its row. */
  showEvent(index) {
    const line = this.#items.get(this.exchange.response?.events[index])?.querySelector(".w-row");
    if (this.kids.hidden) this.#unfoldKids(true);
    line?.unfold();
    return line ?? null;
  }

  #redrawDetail() {
    const isInUse = this.#detail.contains(document.activeElement) || this.#detail.matches(":hover");
    if (isInUse && this.exchange.isOpen) return; // nothing is folded again under somebody's hand
    const again = detailRow(this.level + 1, exchangeDetail(this.exchange));
    this.#detail.replaceWith(again);
    this.#detail = again;
  }

  #unfold() {
    if (this.#items.size && this.kids.hidden) this.#unfoldKids(true);
    else this.open(true);
    return true;
  }

  #fold() {
    if (this.#detail) this.open(false);
    else if (this.#items.size && !this.kids.hidden) this.#unfoldKids(false);
    else return false;
    return true;
  }

  #unfoldKids(wanted) {
    if (this.#items.size === 0) return this.open(!this.#detail);
    this.kids.hidden = !wanted;
    return this.#sayExpanded();
  }

  #sayExpanded() {
    const hasKids = this.#items.size > 0;
    this.row.setAttribute("aria-expanded", String(hasKids ? !this.kids.hidden : Boolean(this.#detail)));
    this.row.classList.toggle("w-opened", Boolean(this.#detail));
  }

  /** Events, markers and adopted exchanges in the order in which they happened. */
  #drawItems() {
    const events = this.exchange.response?.events ?? [];
    const { marks } = this.exchange;
    const isUnchanged = events.length === this.#drawn.events && marks.length === this.#drawn.marks;
    if (isUnchanged && this.#children.length === this.#drawn.children) return;
    this.#drawn = { events: events.length, marks: marks.length, children: this.#children.length };
    const items = [...runs(events), ...marks.map((mark) => ({ at: mark.at, mark })), ...this.#children.map((node) => ({ at: node.exchange.at, node }))];
    items.sort((one, other) => one.at - other.at);
    let last = null;
    for (const item of items) {
      const element = this.#elementOf(item);
      if (last ? last.nextSibling !== element : this.kids.firstChild !== element) {
        if (last) last.after(element);
        else this.kids.prepend(element);
      }
      last = element;
    }
  }

  #elementOf(item) {
    const key = item.node ?? item.mark ?? item.event ?? item.comments[0];
    const known = this.#items.get(key);
    if (known) {
      if (item.comments) fillComments(known, item.comments);
      return known;
    }
    const made = item.node ? item.node.box : this.#line(item);
    this.#items.set(key, made);
    return made;
  }

  #line(item) {
    const line = row(this.level + 1, item.event ? "event" : "aside");
    if (item.mark) fillMark(line, item.mark);
    else if (item.comments) fillComments(line, item.comments);
    else {
      fillEvent(line, item.event);
      makeFoldable(line, () => detailRow(this.level + 2, eventDetail(item.event)));
    }
    return line.toggleRow ? h("div", { class: "w-event-box" }, line) : line;
  }
}

function detailRow(level, content) {
  return h("div", { class: "w-detail-row", role: "row", "aria-level": String(level) }, h("div", { role: "gridcell" }, content));
}

function makeFoldable(line, make) {
  let detail = null;
  line.setAttribute("aria-expanded", "false");
  line.toggleRow = () => {
    if (detail) detail.remove();
    detail = detail ? null : make();
    if (detail) line.after(detail);
    line.setAttribute("aria-expanded", String(Boolean(detail)));
  };
  line.unfold = () => (detail ? false : (line.toggleRow(), true));
  line.fold = () => (detail ? (line.toggleRow(), true) : false);
}

/** Events one by one, but comments that follow each other as one item. */
function runs(events) {
  const items = [];
  for (const event of events) {
    const last = items.at(-1);
    if (event.comment === undefined) items.push({ at: event.at, event });
    else if (last?.comments) last.comments.push(event);
    else items.push({ at: event.at, comments: [event] });
  }
  return items;
}
