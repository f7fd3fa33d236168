/** JSON as a tree to unfold, as a table where it is one, or as text. */

import { fill, h } from "../base/dom.js";
import { ExactNumber, stringify } from "../base/json.js";

const FOLDED_FROM = 2;
const MAX_CHILDREN = 100;
const MAX_ROWS = 200;

const typeOf = (value) => (value === null ? "null" : Array.isArray(value) ? "array" : value instanceof ExactNumber ? "number" : typeof value);

/** @returns {HTMLElement} A list of names and values; objects and arrays unfold. */
export function tree(value, depth = 0) {
  const entries = Array.isArray(value) ? value.map((item, index) => [index, item]) : Object.entries(value);
  const list = h("ul", { class: "tree" });
  const show = (from) => {
    list.append(...entries.slice(from, from + MAX_CHILDREN).map(([name, item]) => branch(name, item, depth)));
    const left = entries.length - from - MAX_CHILDREN;
    if (left > 0) {
      const more = h("li", {}, h("button", { type: "button", class: "mini", onclick: () => (more.remove(), show(from + MAX_CHILDREN)) }, `${left} more`));
      list.append(more);
    }
  };
  show(0);
  return list;
}

function branch(name, value, depth) {
  const key = h("span", { class: "tree-key" }, String(name));
  const type = typeOf(value);
  if (type !== "object" && type !== "array") return h("li", {}, key, " ", leaf(value));
  const count = Object.keys(value).length;
  const about = type === "array" ? `${count} ${count === 1 ? "item" : "items"}` : `${count} ${count === 1 ? "property" : "properties"}`;
  if (!count) return h("li", {}, key, " ", h("span", { class: "tree-about" }, type === "array" ? "[] empty" : "{} empty"));
  const details = h("details", { open: depth + 1 < FOLDED_FROM }, h("summary", {}, key, " ", h("span", { class: "tree-about" }, about)));
  const open = () => details.open && details.children.length < 2 && details.append(tree(value, depth + 1));
  details.addEventListener("toggle", open);
  open();
  return h("li", {}, details);
}

function leaf(value) {
  const type = typeOf(value);
  return h("span", { class: "tree-value", dataset: { type } }, type === "string" ? (value === "" ? "“” empty" : value) : stringify(value));
}

/** The rows of a value that is a list of flat objects, or of an object whose only list is one; `null` otherwise. */
export function rowsOf(value) {
  const isFlat = (row) => typeOf(row) === "object" && Object.values(row).every((cell) => !["object", "array"].includes(typeOf(cell)));
  if (Array.isArray(value)) return value.length && value.every(isFlat) ? value : null;
  return typeOf(value) === "object" && Object.keys(value).length > 0 && isFlat(value) ? [value] : null;
}

export function table(rows) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cell = (row, column) => (Object.hasOwn(row, column) ? leaf(row[column]) : h("span", { class: "tree-about" }, "absent"));
  if (rows.length === 1) return h("table", { class: "data" }, h("tbody", {}, columns.map((column) => h("tr", {}, h("th", { scope: "row" }, column), h("td", {}, cell(rows[0], column))))));
  return h(
    "table",
    { class: "data" },
    h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col" }, column)))),
    h("tbody", {}, rows.slice(0, MAX_ROWS).map((row) => h("tr", {}, columns.map((column) => h("td", {}, cell(row, column)))))),
    rows.length > MAX_ROWS ? h("caption", {}, `The first ${MAX_ROWS} of ${rows.length} rows`) : null,
  );
}

/** A value with a choice of views; the one that suits it best is shown first. */
export function viewer(value, name = "Value") {
  const rows = rowsOf(value);
  const isNested = value !== null && typeof value === "object" && !(value instanceof ExactNumber) && Object.keys(value).length > 0;
  const views = [...(rows ? [["Table", () => table(rows)]] : []), ...(isNested ? [["Tree", () => tree(value)]] : []), ["JSON", () => h("pre", { tabIndex: 0, "aria-label": `${name} as JSON` }, stringify(value, 2))]];
  const body = h("div", { class: "viewer-body", tabIndex: 0, role: "group", "aria-label": name });
  const buttons = views.map(([label], index) => h("button", { type: "button", "aria-pressed": "false", onclick: () => show(index) }, label));
  function show(index) {
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === index)));
    fill(body, views[index][1]());
  }
  show(0);
  return h("div", { class: "viewer" }, views.length > 1 ? h("div", { class: "form-modes", role: "group", "aria-label": `View of ${name}` }, buttons) : null, body);
}
