/** The controls that contain others: objects, lists, alternatives, and JSON for whatever has no control of its own. */

import { fill, h } from "../base/dom.js";
import { parse, stringify } from "../base/json.js";
import { Field } from "./field.js";
import { BooleanField, ChoiceField, ChoicesField, ConstField } from "./fields_choice.js";
import { MomentField, NumberField, TextField } from "./fields_text.js";
import { ABSENT, describe, fits, initial, setProperty, variantOf } from "./schema.js";
import { pointer } from "./validity.js";

const FOLDED_FROM = 2;

/**
 * The field for a node and a value; a value that the control cannot show gets a JSON field.
 *
 * @param {Object} node
 * @param {{path: string, depth: number, form: Object, complete?: Function}} place
 * @param {*} value JSON or `ABSENT`.
 */
export function fieldFor(node, place, value = ABSENT) {
  const Kind = fits(node, value) ? kindOf(node) : JsonField;
  const field = new Kind(node, place);
  field.value = value;
  return field;
}

class Nested extends Field {
  get grouped() {
    return true;
  }

  get inputs() {
    return [];
  }

  /** @returns {Field[]} */
  get children() {
    return [];
  }

  build() {
    this.body = h("div", { class: "nested" });
    this.body.addEventListener("input", () => {
      this.state = "value";
      this.refresh();
    });
    return this.body;
  }

  child(node, step, value) {
    const { form, depth, complete } = this.place;
    return fieldFor(node, { form, depth: depth + 1, path: this.path + pointer(step), complete: this.place.depth < 0 ? complete : undefined }, value);
  }

  clear() {
    fill(this.body);
  }

  focus() {
    const inner = this.children[0] ?? this.body.querySelector("button");
    if (inner) inner.focus();
    else super.focus();
  }
}

class ObjectField extends Nested {
  get children() {
    return [...(this.fields ?? []).map(({ field }) => field), ...(this.rows ?? []).map(({ field }) => field)];
  }

  assemble() {
    if (this.place.depth < 0) return h("div", { class: "field-root" }, this.body, this.error);
    const element = super.assemble();
    if (this.place.depth < FOLDED_FROM - 1) return element;
    this.folded = h("details", { class: "folded" }, h("summary", {}, `${this.node.title || "Object"}: fields`));
    this.body.replaceWith(this.folded);
    this.folded.append(this.body);
    return element;
  }

  read() {
    const value = {};
    for (const { name, field } of this.fields) if (field.value !== ABSENT) setProperty(value, name, field.value);
    for (const { name, field } of this.rows) if (field.value !== ABSENT && name.value !== "") setProperty(value, name.value, field.value);
    return value;
  }

  write(value) {
    const { node } = this;
    this.fields = node.fields.map(({ name, node: inner }) => ({ name, field: this.child(inner(), name, Object.hasOwn(value, name) ? value[name] : ABSENT) }));
    this.rows = [];
    this.extras = h("div", { class: "rows" });
    const add = h("button", { type: "button", class: "field-action", onclick: () => this.add("", ABSENT, true) }, node.fields.length ? "Add another property" : "Add a property");
    fill(this.body, this.fields.map(({ field }) => field.element), node.extra ? [this.extras, add] : null);
    for (const [name, item] of Object.entries(value)) if (!node.fields.some((field) => field.name === name)) this.add(name, item);
    if (this.folded) this.folded.open = Object.keys(value).length > 0;
  }

  add(text, value, isNew = false) {
    const name = h("input", { type: "text", "aria-label": "Name of the property", value: text, placeholder: "name", autocomplete: "off" });
    const inner = this.node.extra(text);
    const field = this.child(inner, text, isNew ? (inner.kind === "json" ? "" : initial(inner)) : value);
    const row = { name, field };
    name.addEventListener("input", () => (field.place.path = this.path + pointer(name.value)));
    row.element = h("div", { class: "row pair" }, name, field.element, h("button", { type: "button", class: "mini", "aria-label": "Remove this property", onclick: () => this.remove(row) }, "Remove"));
    this.rows.push(row);
    this.extras.append(row.element);
    if (isNew) {
      this.changed();
      name.focus();
    }
  }

  remove(row) {
    this.rows.splice(this.rows.indexOf(row), 1);
    row.element.remove();
    this.changed();
    this.element.querySelector(":scope .nested > .field-action")?.focus();
  }

  offers(now) {
    if (now !== ABSENT && now !== null) return super.offers(now);
    return [["add it", { ...asValue(initial({ ...this.node, required: true, nullable: false })) }], ...super.offers(now)];
  }

  saying(now) {
    return now !== ABSENT && now !== null && !Object.keys(now).length ? h("span", { class: "field-state" }, "an empty object is sent") : super.saying(now);
  }
}

const asValue = (value) => (value === ABSENT ? {} : value);

class ListField extends Nested {
  get children() {
    return (this.items ?? []).map(({ field }) => field);
  }

  read() {
    const values = this.items.map(({ field }) => field.value);
    while (values.length && values.at(-1) === ABSENT) values.pop(); // rows at the end that nobody filled in
    return values.map((value) => (value === ABSENT ? null : value));
  }

  write(value) {
    const { node } = this;
    this.items = [];
    this.list = h("ol", { class: "rows" });
    this.more = h("button", { type: "button", class: "field-action", onclick: () => this.add() }, "Add an item");
    fill(this.body, this.list, this.more);
    const count = Math.max(value.length, node.fixed);
    for (let index = 0; index < count; index += 1) this.insert(index < value.length ? value[index] : initial(node.item(index)));
    this.number();
  }

  insert(value) {
    const index = this.items.length;
    const inner = { ...this.node.item(index), place: "item" };
    inner.title ||= `Item ${index + 1}`;
    const field = this.child(inner, index, value);
    const item = { field, fixed: index < this.node.fixed };
    const button = (text, what, act) => h("button", { type: "button", class: "mini", "aria-label": what, title: what, onclick: act }, text);
    item.up = button("↑", "", () => this.move(item, -1));
    item.down = button("↓", "", () => this.move(item, 1));
    item.gone = button("✕", "", () => this.remove(item));
    item.element = h("li", { class: "row" }, field.element, item.fixed ? null : h("span", { class: "row-actions" }, item.up, item.down, item.gone));
    this.items.push(item);
    this.list.append(item.element);
    return item;
  }

  add() {
    const node = this.node.item(this.items.length);
    const first = initial(node);
    const item = this.insert(first === ABSENT && node.kind === "string" && !node.format ? "" : first);
    this.number();
    this.changed();
    item.field.focus();
  }

  move(item, by) {
    const at = this.items.indexOf(item);
    this.items.splice(at, 1);
    this.items.splice(at + by, 0, item);
    this.list.append(...this.items.map(({ element }) => element));
    this.number();
    this.changed();
    (by < 0 ? (item.up.disabled ? item.down : item.up) : item.down.disabled ? item.up : item.down).focus();
  }

  remove(item) {
    const at = this.items.indexOf(item);
    this.items.splice(at, 1);
    item.element.remove();
    this.number();
    this.changed();
    (this.items[at]?.gone ?? this.more).focus();
  }

  number() {
    const { fixed, maxItems } = this.node;
    this.items.forEach((item, index) => {
      item.field.place.path = this.path + pointer(index);
      const name = `item ${index + 1}`;
      for (const [part, what] of [["up", "Move up"], ["down", "Move down"], ["gone", "Remove"]]) {
        item[part].setAttribute("aria-label", `${what} ${name}`);
        item[part].title = `${what} ${name}`;
      }
      const label = item.field.element.querySelector(".field-label");
      if (label && /^Item \d+$/.test(label.textContent)) label.textContent = `Item ${index + 1}`;
      item.up.disabled = index <= fixed;
      item.down.disabled = index === this.items.length - 1;
    });
    this.more.hidden = this.items.length >= maxItems;
  }

  offers(now) {
    if (now !== ABSENT && now !== null) return super.offers(now);
    return [["add items", this.node.fixed ? [] : [asItem(initial(this.node.item(0)))]], ["send an empty list", []], ...super.offers(now)];
  }

  saying(now) {
    return Array.isArray(now) && !now.length ? h("span", { class: "field-state" }, "an empty list is sent") : super.saying(now);
  }
}

const asItem = (value) => (value === ABSENT ? "" : value);

class VariantField extends Nested {
  get children() {
    return this.inner ? [this.inner] : [];
  }

  build() {
    const { options, title } = this.node;
    this.select = h("select", { "aria-label": `Kind of ${title || "value"}`, onchange: () => this.pick(this.select.value) }, h("option", { value: "" }, this.node.required ? "Choose…" : "Not sent"), options.map(({ label }, index) => h("option", { value: String(index) }, label)));
    super.build();
    return h("div", { class: "variant" }, this.select, this.body);
  }

  get inputs() {
    return [this.select].filter(Boolean);
  }

  read() {
    return this.inner.value;
  }

  write(value) {
    this.show(Math.max(0, variantOf(this.node, value)), value);
  }

  clear() {
    this.select.value = "";
    this.inner = null;
    fill(this.body);
  }

  pick(choice) {
    if (choice === "") this.value = ABSENT;
    else {
      this.show(Number(choice), initial(this.node.options[Number(choice)].node({ required: true })));
      this.state = "value";
      this.refresh();
    }
    this.changed();
  }

  show(index, value) {
    this.select.value = String(index);
    const node = { ...this.node.options[index].node({ required: true }), place: "item" };
    node.title = this.node.options[index].label;
    const { form, depth } = this.place;
    this.inner = fieldFor(node, { form, depth, path: this.path }, value);
    this.inner.element.classList.add("variant-part");
    fill(this.body, this.inner.element);
  }

  get value() {
    return this.state === "value" && this.inner ? this.inner.value : this.state === "value" ? ABSENT : this.state;
  }

  set value(value) {
    super.value = value;
  }

  offers() {
    return this.node.nullable && this.value !== null ? [["send null", null]] : [];
  }
}

/** JSON in a text area, with the place of an error. */
export class JsonField extends Field {
  build() {
    const { id, node } = this;
    this.input = h("textarea", { id, class: "json", rows: 3, spellcheck: false, autocomplete: "off", placeholder: "JSON", required: node.required });
    this.input.addEventListener("input", () => this.edited(this.input.value.trim() === ""));
    return this.input;
  }

  /** What is wrong with the text, if it is not JSON. */
  get fault() {
    try {
      if (this.state === "value") parse(this.input.value);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  edited(isBlank) {
    this.state = isBlank ? ABSENT : "value";
    this.refresh();
  }

  read() {
    try {
      return parse(this.input.value);
    } catch {
      return this.input.value;
    }
  }

  write(value) {
    this.input.value = stringify(value, 2);
    this.input.rows = Math.min(12, Math.max(2, this.input.value.split("\n").length));
  }

  clear() {
    this.input.value = "";
  }

  offers(now) {
    return now === ABSENT ? [] : [["don’t send", ABSENT]];
  }

  saying(now) {
    return now === "" ? null : super.saying(now);
  }

  remark(now) {
    if (this.node.kind !== "json") return "This value does not fit the field, so it is shown as JSON.";
    return [this.node.reason, super.remark(now)].filter(Boolean).join(" ");
  }
}

const KINDS = {
  string: TextField,
  number: NumberField,
  boolean: BooleanField,
  choice: ChoiceField,
  choices: ChoicesField,
  const: ConstField,
  object: ObjectField,
  list: ListField,
  variant: VariantField,
  json: JsonField,
};

function kindOf({ kind, format }) {
  return kind === "string" && ["date", "time", "date-time"].includes(format) ? MomentField : KINDS[kind];
}

/** The field of a whole value, which has no frame of its own if it is an object. */
export function rootField(schema, value, { form, complete }) {
  const node = describe(schema, { required: true });
  return fieldFor(node, { form, complete, path: "", depth: -1 }, value === undefined ? initial(node) : value);
}
