/**
 * `<es-diagram>`: a recording as a sequence diagram, and beneath it the same as a list.
 *
 * Property: `recording`. It draws again when the recording grows or when its width changes. Event: `select`
 * (detail: the id of an exchange), from a click on an arrow or on a line of the list.
 */

import { h } from "../base/dom.js";
import { diagramOf } from "./diagram_model.js";

const SVG = "http://www.w3.org/2000/svg";
const ROW = 30;
const TOP = 48;
const MARGIN = 12;
const NARROWEST = 128;
const WIDEST = 300;
const LETTER = 6.3;

export class Diagram extends HTMLElement {
  #recording = null;
  #frame = 0;
  #width = 0;
  #observer = new ResizeObserver(([{ contentRect }]) => {
    const isOther = Math.round(contentRect.width) !== this.#width;
    this.#width = Math.round(contentRect.width);
    if (isOther) this.#soon();
  });

  connectedCallback() {
    this.#observer.observe(this);
    this.addEventListener("click", this.#onClick);
  }

  disconnectedCallback() {
    this.#observer.disconnect();
    this.removeEventListener("click", this.#onClick);
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  get recording() {
    return this.#recording;
  }

  set recording(recording) {
    this.#recording?.removeEventListener("change", this.#soon);
    this.#recording = recording;
    recording?.addEventListener("change", this.#soon);
    this.#soon();
  }

  #soon = () => {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#recording && this.#width > 0) this.#draw();
    });
  };

  #draw() {
    const model = diagramOf(this.#recording);
    const isOpen = this.querySelector("details")?.open ?? false;
    const list = h("ol", {}, model.rows.map((row) => h("li", { "data-tone": row.tone ?? row.kind }, row.exchange ? h("a", { href: `#exchange-${row.exchange}`, "data-exchange": String(row.exchange) }, row.spoken) : row.spoken)));
    this.replaceChildren(
      h("div", { class: "d-picture" }, picture(model, this.#width)),
      h("details", { class: "d-list", open: isOpen }, h("summary", {}, "As a list"), list),
      h("div", { class: "d-narrow" }, list.cloneNode(true)),
    );
  }

  #onClick = (event) => {
    const link = event.target.closest("[data-exchange]");
    if (!link) return;
    event.preventDefault();
    this.dispatchEvent(new CustomEvent("select", { bubbles: true, detail: Number(link.dataset.exchange) }));
  };

  /** The picture, as `diagram_image.js` makes files of it. */
  get svg() {
    return this.querySelector("svg");
  }
}

customElements.define("es-diagram", Diagram);

function s(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

/** The drawing for a width in pixels; it is wider where the lifelines need it. */
function picture({ lifelines, rows, bars, ends }, width) {
  const count = Math.max(2, lifelines.length);
  const column = Math.min(WIDEST, Math.max(NARROWEST, Math.floor((width - 2 * MARGIN) / count)));
  const whole = { width: column * count + 2 * MARGIN, height: TOP + rows.length * ROW + 16 };
  const x = new Map(lifelines.map(({ id }, index) => [id, MARGIN + column * (index + 0.5)]));
  const y = (index) => TOP + (index + 0.75) * ROW;
  return s(
    "svg",
    { viewBox: `0 0 ${whole.width} ${whole.height}`, width: whole.width, height: whole.height, "aria-hidden": "true", class: "d-svg" },
    lifelines.map((one) => lifeline(one, x.get(one.id), column, whole.height, endOf(one.id, ends, y))),
    bars.map(({ lifeline: id, first, last }) => s("rect", { class: "d-bar", x: x.get(id) - 4, y: y(first) - 10, width: 8, height: y(last) - y(first) + 18, rx: 3 })),
    rows.map((row, index) => drawn(row, y(index), x, whole.width)),
  );
}

function endOf(id, ends, y) {
  const end = ends.find((one) => one.lifeline === id);
  return end ? y(end.row) : null;
}

function lifeline({ name }, x, column, height, end) {
  const bottom = height - 8;
  return s(
    "g",
    { class: "d-lifeline" },
    s("rect", { x: x - column / 2 + 8, y: 4, width: column - 16, height: 32, rx: 6 }),
    lifelineName(name, x, column),
    s("line", { x1: x, y1: 36, x2: x, y2: end ?? bottom }),
    end === null ? null : [s("line", { class: "d-dead", x1: x, y1: end, x2: x, y2: bottom }), s("text", { class: "d-cross", x, y: end + 5, "text-anchor": "middle" }, "✕")],
  );
}

/** A name that does not fit stands on two lines. */
function lifelineName(name, x, column) {
  const words = name.length * 7.2 > column - 24 ? name.split(" ") : [name];
  const first = words.length > 1 ? 17 : 24;
  return s("text", { "text-anchor": "middle" }, words.map((word, index) => s("tspan", { x, y: first + index * 13 }, word)));
}

function drawn(row, y, x, width) {
  if (row.kind === "gap") return s("g", { class: "d-gap" }, s("text", { x: width / 2, y: y + 4, "text-anchor": "middle" }, row.label));
  if (row.kind === "note") return linked(row, noteShape(row, y, width));
  const [from, to] = [x.get(row.from), x.get(row.to)];
  return linked(row, row.kind === "fold" ? foldShape(row, y, from, to) : arrowShape(row, y, from, to));
}

function linked(row, shapes) {
  const title = s("title", {}, row.spoken);
  if (!row.exchange) return s("g", { class: `d-row d-${row.tone ?? row.kind}` }, title, shapes);
  return s("a", { class: `d-row d-${row.tone ?? row.kind}`, href: `#exchange-${row.exchange}`, "data-exchange": row.exchange, tabindex: -1, "aria-label": row.spoken }, title, shapes);
}

function noteShape({ label }, y, width) {
  const text = fitting(label, width - 40);
  const half = (text.length * LETTER) / 2 + 12;
  return [s("rect", { class: "d-note", x: width / 2 - half, y: y - 11, width: 2 * half, height: 22, rx: 11 }), s("text", { x: width / 2, y: y + 4, "text-anchor": "middle" }, text)];
}

function foldShape({ label }, y, from, to) {
  const [left, right] = [Math.min(from, to), Math.max(from, to)];
  return [s("rect", { class: "d-fold", x: left - 10, y: y - 12, width: right - left + 20, height: 24, rx: 6 }), s("text", { x: (left + right) / 2, y: y + 4, "text-anchor": "middle" }, label)];
}

function arrowShape({ label, line }, y, from, to) {
  const sign = to > from ? 1 : -1;
  const [start, tip] = [from + sign * 5, to - sign * 5];
  const head = `${tip},${y + 4} ${tip - sign * 8},${y} ${tip - sign * 8},${y + 8}`;
  const room = Math.abs(tip - start) - 8;
  return [
    s("rect", { class: "d-hit", x: Math.min(start, tip), y: y - 14, width: Math.abs(tip - start), height: 24 }),
    s("text", { x: (start + tip) / 2, y: y - 2, "text-anchor": "middle" }, fitting(label, room)),
    s("line", { class: `d-${line}`, x1: start, y1: y + 4, x2: tip - sign * 6, y2: y + 4 }),
    s("polygon", { class: "d-head", points: head }),
  ];
}

function fitting(text, room) {
  const most = Math.max(6, Math.floor(room / LETTER));
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
