/** What the server offers, as a tree: one stop for Tab, arrows within, and a search. */

import { fill, h } from "../base/dom.js";
import { format } from "../base/route.js";
import { titleOf } from "../protocol/catalog.js";
import { availability, has } from "../protocol/revisions.js";

const GROUPS = [
  { kind: "tools", label: "Tools", id: "name" },
  { kind: "resources", label: "Resources", id: "uri" },
  { kind: "templates", label: "Templates", id: "uriTemplate" },
  { kind: "prompts", label: "Prompts", id: "name" },
  { kind: "skills", label: "Skills", id: "uri" },
];
const LEAVES = [
  { kind: "tasks", label: "Tasks" },
  { kind: "session", label: "Session" },
  { kind: "raw", label: "Raw request" },
];

export class Sidebar {
  #app;
  #open = new Set(["tools"]);
  #current = null;
  #tree = h("ul", { role: "tree", "aria-label": "What the server offers", class: "wb-tree" });
  #empty = h("p", { class: "wb-tree-empty" }, "Connect to see what the server has.");
  #search = h("input", { type: "search", placeholder: "Search  /", "aria-label": "Search features", class: "wb-search" });

  constructor(app) {
    this.#app = app;
    this.element = h("div", { class: "wb-sidebar" }, this.#search, this.#empty, this.#tree);
    this.#search.addEventListener("input", () => this.show());
    this.#search.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") this.#focus(this.#items()[0]);
      if (event.key === "Escape" && this.#search.value) {
        event.stopPropagation();
        this.#search.value = "";
        this.show();
      }
      if (event.key === "Enter") (this.#items().find((item) => item.dataset.href) ?? null)?.click();
    });
    this.#tree.addEventListener("keydown", (event) => this.#onKey(event));
    this.#tree.addEventListener("click", (event) => this.#activate(event.target.closest("[role=treeitem]")));
    app.addEventListener("connected", () => {
      app.catalog.addEventListener("change", () => this.show());
      app.tasks.addEventListener("change", () => this.show());
      this.show();
    });
    app.addEventListener("change", () => this.show());
    app.addEventListener("call", ({ detail }) => {
      detail.call.addEventListener("change", () => this.#mark(detail.key));
      this.#mark(detail.key);
    });
    this.show();
  }

  focusSearch() {
    this.#search.focus();
    this.#search.select();
  }

  /** Unfold a group, and move to it. */
  focusGroup(kind) {
    this.#open.add(kind);
    this.show();
    this.#focus(this.#items().find((item) => item.dataset.kind === kind));
  }

  /** Mark the place that is shown. */
  set current(route) {
    this.#current = route;
    if (route.name !== null && GROUPS.some(({ kind }) => kind === route.kind)) this.#open.add(route.kind);
    this.show();
    this.#tree.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }

  show() {
    const focused = this.#tree.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    if (!this.#app.isConnected || !this.#app.catalog) {
      this.#tree.hidden = true;
      this.#empty.hidden = false;
      return;
    }
    this.#tree.hidden = false;
    this.#empty.hidden = true;
    const words = this.#search.value.trim().toLowerCase();
    fill(this.#tree, GROUPS.map((group) => this.#group(group, words)), words ? [] : LEAVES.map((leaf) => this.#leaf(leaf)));
    this.#roving(focused);
  }

  #group({ kind, label, id }, words) {
    const list = this.#app.catalog.lists[kind];
    if (!this.#app.catalog.offers(kind)) return null;
    const items = list.items.filter((item) => !words || `${titleOf(item)} ${item[id]} ${item.description ?? ""}`.toLowerCase().includes(words));
    if (words && !items.length) return null;
    const isOpen = words !== "" || this.#open.has(kind);
    const count = list.error ? "!" : `${list.items.length}${list.cursor ? "+" : ""}`;
    const children = items.map((item) => this.#item(kind, item[id], titleOf(item)));
    if (list.cursor && !words) children.push(this.#row({ key: `more/${kind}`, level: 2, label: "More…", more: kind }));
    return [
      this.#row({ key: `group/${kind}`, level: 1, label, badge: count, expanded: isOpen, kind, title: list.error?.message }),
      isOpen && children,
    ];
  }

  #item(kind, name, label) {
    const key = `${kind}/${name}`;
    return this.#row({ key, level: 2, label, href: format({ kind, name }), isCurrent: this.#isCurrent(kind, name), isRunning: this.#isRunning(key), title: name });
  }

  #leaf({ kind, label }) {
    const isMissing = kind === "tasks" && !has(this.#app.client.revision, "tasks");
    const running = kind === "tasks" ? this.#app.tasks.running : 0;
    return this.#row({ key: `leaf/${kind}`, level: 1, label, kind, href: format({ kind }), badge: isMissing ? availability("tasks") : running || "", isCurrent: this.#isCurrent(kind, null), isMissing });
  }

  #isCurrent(kind, name) {
    return this.#current?.kind === kind && (name === null || this.#current.name === name);
  }

  #isRunning(key) {
    return (this.#app.history.get(key) ?? []).some((call) => !call.isOver);
  }

  #mark(key) {
    const item = this.#items().find((one) => one.dataset.key === key);
    item?.classList.toggle("running", this.#isRunning(key));
  }

  #row({ key, level, label, badge = "", href, expanded, kind, more, isCurrent, isRunning, isMissing, title }) {
    return h(
      "li",
      {
        role: "treeitem",
        class: [isRunning && "running", isMissing && "missing"].filter(Boolean).join(" "),
        tabIndex: -1,
        title,
        "aria-level": level,
        "aria-expanded": expanded === undefined ? null : String(expanded),
        "aria-current": isCurrent ? "page" : null,
        dataset: { key, ...(href ? { href } : {}), ...(kind ? { kind } : {}), ...(more ? { more } : {}) },
      },
      h("span", { class: "wb-tree-label" }, label),
      badge !== "" && h("span", { class: "wb-count" }, String(badge)),
    );
  }

  #items() {
    return [...this.#tree.querySelectorAll("[role=treeitem]")];
  }

  #roving(key) {
    const items = this.#items();
    const stop = items.find((item) => item.dataset.key === key) ?? items.find((item) => item.getAttribute("aria-current")) ?? items[0];
    if (stop) stop.tabIndex = 0;
    if (key !== null && stop?.dataset.key === key) stop.focus({ preventScroll: true });
  }

  #focus(item) {
    if (!item) return;
    for (const other of this.#items()) other.tabIndex = -1;
    item.tabIndex = 0;
    item.focus();
  }

  #activate(item) {
    if (!item) return;
    this.#focus(item);
    if (item.dataset.more) this.#app.catalog.more(item.dataset.more);
    else if (item.hasAttribute("aria-expanded")) this.#toggle(item, item.getAttribute("aria-expanded") === "false");
    else location.hash = item.dataset.href;
  }

  #toggle(item, isOpen) {
    if (isOpen) this.#open.add(item.dataset.kind);
    else this.#open.delete(item.dataset.kind);
    this.show();
  }

  #onKey(event) {
    const items = this.#items();
    const at = items.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const item = items[at];
    const expanded = item.getAttribute("aria-expanded");
    const moves = {
      ArrowDown: () => this.#focus(items[at + 1]),
      ArrowUp: () => (at === 0 ? this.focusSearch() : this.#focus(items[at - 1])),
      Home: () => this.#focus(items[0]),
      End: () => this.#focus(items.at(-1)),
      Enter: () => this.#activate(item),
      " ": () => this.#activate(item),
      ArrowRight: () => (expanded === "false" ? this.#toggle(item, true) : expanded === "true" && this.#focus(items[at + 1])),
      ArrowLeft: () => (expanded === "true" ? this.#toggle(item, false) : this.#focus(items.slice(0, at).findLast((one) => one.getAttribute("aria-level") === "1"))),
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    moves[event.key]();
  }
}
