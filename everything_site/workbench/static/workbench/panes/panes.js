/** The panes and the separators between them; on narrow screens a drawer and a bar of tabs. */

import { h } from "../base/dom.js";

const WIDTHS = "es-panes";
const BOUNDS = { list: [160, 400], wire: [300, 900] };
const STEP = 16;

/** A separator that a mouse, a finger or the arrow keys move. `side` is the pane whose width it sets. */
export function separator(root, name, { label, side }) {
  const [minimum, maximum] = BOUNDS[name];
  const element = h("div", { role: "separator", class: `wb-separator wb-${name}-separator`, tabIndex: 0, "aria-orientation": "vertical", "aria-label": label, "aria-valuemin": minimum, "aria-valuemax": maximum });
  const set = (width) => {
    const bounded = Math.round(Math.min(maximum, Math.max(minimum, width)));
    root.style.setProperty(`--wb-${name}`, `${bounded}px`);
    element.setAttribute("aria-valuenow", bounded);
    return bounded;
  };
  const saved = () => JSON.parse(localStorage.getItem(WIDTHS) ?? "{}");
  const save = (width) => localStorage.setItem(WIDTHS, JSON.stringify({ ...saved(), [name]: width }));
  let width = set(saved()[name] ?? (name === "list" ? 230 : 440));
  element.addEventListener("keydown", (event) => {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!direction) return;
    event.preventDefault();
    width = set(width + direction * STEP * (side === "left" ? 1 : -1));
    save(width);
  });
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    const from = { x: event.clientX, width };
    const move = (moved) => {
      width = set(from.width + (moved.clientX - from.x) * (side === "left" ? 1 : -1));
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("lostpointercapture", () => {
      element.removeEventListener("pointermove", move);
      save(width);
    }, { once: true });
  });
  return element;
}

/** The bar of tabs of narrow screens. `tabs`: `[{id, label}]`; `badge(id, text)` shows a count. */
export class TabBar {
  #buttons = new Map();

  constructor(root, tabs) {
    this.root = root;
    this.list = h("div", { class: "wb-tabs", role: "tablist", "aria-label": "Panes" });
    this.element = h("nav", { "aria-label": "Panes" }, this.list);
    for (const { id, label } of tabs) {
      const count = h("span", { class: "wb-count" });
      const button = h("button", { type: "button", role: "tab", class: "plain", onclick: () => this.select(id) }, label, count);
      this.#buttons.set(id, { button, count });
      this.list.append(button);
    }
    this.list.addEventListener("keydown", (event) => {
      const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!direction) return;
      const ids = [...this.#buttons.keys()];
      const next = ids.at((ids.indexOf(this.selected) + direction) % ids.length);
      this.select(next);
      this.#buttons.get(next).button.focus();
    });
    this.select(tabs[0].id);
  }

  select(id) {
    this.selected = id;
    this.root.dataset.pane = id;
    for (const [other, { button }] of this.#buttons) {
      button.setAttribute("aria-selected", String(other === id));
      button.tabIndex = other === id ? 0 : -1;
    }
    this.root.dispatchEvent(Object.assign(new Event("pane"), { detail: id }));
  }

  badge(id, text) {
    this.#buttons.get(id).count.textContent = text || "";
  }
}
