/** The controls of a form, one class a kind; `fields_nested.js` has those that contain others. */

import { combobox } from "./combobox.js";
import { fill, h } from "./dom.js";
import { ExactNumber, numberFrom, same, stringify } from "./json.js";
import { ABSENT } from "./schema.js";
import { brief } from "./schema_words.js";

const MOST_RADIOS = 4;
const MOST_IN_A_SELECT = 12;

let last = 0;

/**
 * One control with its label, description, limits and message.
 *
 * `value` is JSON, or `ABSENT`. Subclasses build the control and read and write values that are neither absent nor null.
 */
export class Field {
  /**
   * @param {Object} node From `schema.js`.
   * @param {{path: string, depth: number, form: Object}} place
   */
  constructor(node, place) {
    this.node = node;
    this.place = place;
    this.id = `es-field-${++last}`;
    this.state = ABSENT; // ABSENT, null, or "value"
    this.description = h("p", { class: "field-description", id: `${this.id}-description` }, node.description);
    this.note = h("p", { class: "field-notes", id: `${this.id}-notes` });
    this.error = h("p", { class: "field-error", id: `${this.id}-error`, hidden: true });
    this.states = h("span", { class: "field-states" });
    this.control = this.build();
    this.element = this.assemble();
    this.element.addEventListener("focusout", (event) => {
      if (!this.element.contains(event.relatedTarget)) place.form.touch(this);
    });
    this.refresh();
  }

  /** Whether the label belongs to a group of controls rather than to one. */
  get grouped() {
    return false;
  }

  /** Where an error in this value points. */
  get path() {
    return this.place.path;
  }

  get value() {
    return this.state === "value" ? this.read() : this.state;
  }

  set value(value) {
    this.state = value === ABSENT || (value === null && this.node.nullable) ? value : "value";
    if (this.state === "value") this.write(value);
    else this.clear();
    this.refresh();
  }

  /** The controls that a description belongs to; the first takes the focus. */
  get inputs() {
    return this.control instanceof HTMLElement && this.control.matches("input, select, textarea") ? [this.control] : [...this.element.querySelectorAll("input, select, textarea, button.field-action")];
  }

  focus() {
    for (let folded = this.element; folded; folded = folded.parentElement?.closest("details")) if (folded.matches("details")) folded.open = true;
    (this.inputs[0] ?? this.element.querySelector("button"))?.focus();
  }

  /** Show messages; none hides the last ones. */
  complain(messages) {
    this.error.textContent = messages.join(" ");
    this.error.hidden = !messages.length;
    for (const input of this.described) {
      if (messages.length) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
    this.describe();
  }

  get described() {
    return this.grouped ? [] : this.inputs.slice(0, 1);
  }

  describe() {
    const ids = [this.description, this.note, this.error].filter((part) => part.textContent && !part.hidden).map((part) => part.id);
    for (const target of this.grouped ? [this.element] : this.described) {
      if (ids.length) target.setAttribute("aria-describedby", ids.join(" "));
      else target.removeAttribute("aria-describedby");
    }
  }

  assemble() {
    const { node } = this;
    const name = node.title || "Value";
    const label = this.grouped ? h("span", { class: "field-label" }, name) : h("label", { class: "field-label", htmlFor: this.id }, name);
    const tags = [
      node.name && node.name !== name ? h("code", { class: "field-name" }, node.name) : null,
      node.place === "item" ? null : h("span", { class: "field-tag" }, node.required ? "required" : "optional"),
      node.deprecated ? h("span", { class: "field-tag" }, "deprecated") : null,
    ];
    const head = h("span", { class: "field-head" }, label, tags);
    const body = [node.description ? this.description : null, h("div", { class: "field-control" }, this.control), this.note, this.error];
    return this.grouped
      ? h("fieldset", { class: "field", dataset: { kind: node.kind } }, h("legend", {}, head), h("div", { class: "field-side" }, this.states), body)
      : h("div", { class: "field", dataset: { kind: node.kind } }, h("div", { class: "field-line" }, head, this.states), body);
  }

  /** Say in which of the three ways nothing is sent, and offer the others. */
  refresh() {
    const { node } = this;
    const now = this.value;
    const offers = this.offers(now);
    fill(this.states, this.saying(now), offers.map(([text, value]) => h("button", { type: "button", class: "quiet", onclick: () => this.choose(value) }, text, h("span", { class: "visually-hidden" }, ` (${node.title || "value"})`))));
    this.element.dataset.state = now === ABSENT ? "absent" : now === null ? "null" : now === "" ? "empty" : "value";
    fill(this.note, [...node.notes, this.remark(now)].filter(Boolean).join(" "));
    this.note.hidden = !this.note.textContent;
    this.describe();
  }

  saying(now) {
    const words = now === ABSENT ? (this.node.required ? "" : "not sent") : now === null ? "null is sent" : now === "" ? "empty text is sent" : "";
    return words ? h("span", { class: "field-state" }, words) : null;
  }

  offers(now) {
    const out = [];
    if (now !== ABSENT && (!this.node.required || now === null || now === "")) out.push(["don’t send", ABSENT]);
    if (this.node.kind === "string" && !this.node.format && (now === ABSENT || now === null)) out.push(["send empty", ""]);
    if (this.node.nullable && now !== null) out.push(["send null", null]);
    return out;
  }

  remark(now) {
    const { node } = this;
    if (!Object.hasOwn(node, "default")) return "";
    return now !== ABSENT && same(node.default, now) ? "This is the default." : `Default: ${brief(node.default)}.`;
  }

  choose(value) {
    this.value = value;
    this.changed();
    this.focus();
  }

  /** The person changed the control. */
  edited(isBlank = false) {
    this.state = isBlank && (!this.node.required || this.node.kind !== "string") ? ABSENT : "value";
    this.refresh();
  }

  changed() {
    this.element.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

class TextField extends Field {
  build() {
    const { node, id, place } = this;
    const { schema } = node;
    const limits = { minlength: schema.minLength, maxlength: null, placeholder: typeof node.examples[0] === "string" ? `for example ${node.examples[0]}` : null };
    const modes = { email: "email", "idn-email": "email", uri: "url", iri: "url", ipv4: "decimal" };
    this.input = node.multiline
      ? h("textarea", { id, rows: 3, required: node.required, ...limits })
      : h("input", { id, type: "text", inputmode: modes[node.format], required: node.required, autocomplete: "off", pattern: safePattern(schema.pattern), ...limits });
    this.input.addEventListener("input", () => this.edited(this.input.value === ""));
    const texts = node.examples.filter((example) => typeof example === "string");
    if (!node.multiline && place.complete) return combobox(this.input, { label: `Suggestions for ${node.title}`, suggest: (text) => place.complete(node.name, text) });
    if (!node.multiline && texts.length)
      return combobox(this.input, { label: `Examples for ${node.title}`, immediately: true, suggest: (text) => texts.filter((example) => example.toLowerCase().includes(text.toLowerCase())) });
    return this.input;
  }

  read() {
    return this.input.value;
  }

  write(value) {
    this.input.value = value;
  }

  clear() {
    this.input.value = "";
  }
}

/** The browser compiles patterns with the flag `v`, in which some of JSON Schema's are errors. */
function safePattern(pattern) {
  if (typeof pattern !== "string") return null;
  try {
    new RegExp(pattern, "v");
    return `.*(?:${pattern}).*`;
  } catch {
    return null;
  }
}

const pad = (number, digits = 2) => String(number).padStart(digits, "0");

/** The time zone's distance from UTC at a moment, as RFC 3339 writes it. */
function offset(moment) {
  const minutes = -moment.getTimezoneOffset();
  return minutes ? `${minutes < 0 ? "-" : "+"}${pad(Math.trunc(Math.abs(minutes) / 60))}:${pad(Math.abs(minutes) % 60)}` : "Z";
}

const local = (moment) => `${pad(moment.getFullYear(), 4)}-${pad(moment.getMonth() + 1)}-${pad(moment.getDate())}T${pad(moment.getHours())}:${pad(moment.getMinutes())}:${pad(moment.getSeconds())}`;

/** Dates and times: shown local, sent as RFC 3339; a given text is kept as it is until it is changed. */
class MomentField extends Field {
  build() {
    const { node, id } = this;
    const type = { date: "date", time: "time", "date-time": "datetime-local" }[node.format];
    this.input = h("input", { id, type, required: node.required, step: node.format === "date" ? null : 1 });
    this.given = undefined;
    this.input.addEventListener("input", () => {
      this.given = undefined;
      this.edited(this.input.value === "");
    });
    return this.input;
  }

  read() {
    if (this.given !== undefined) return this.given;
    const text = this.input.value;
    if (!text) return ABSENT;
    if (this.node.format === "date") return text;
    const full = /:\d\d:/.test(text) ? text : `${text}:00`;
    return this.node.format === "time" ? full + offset(new Date()) : full + offset(new Date(text));
  }

  write(value) {
    this.given = value;
    const shown = this.node.format === "date-time" ? local(new Date(value.replace(" ", "T"))) : value.replace(/(Z|[+-]\d\d:\d\d)$/i, "");
    this.input.value = shown;
  }

  clear() {
    this.given = undefined;
    this.input.value = "";
  }

  remark(now) {
    if (now === ABSENT || now === null || this.node.format === "date") return super.remark(now);
    return `Sent as ${now}.`;
  }
}

/** Numbers keep the text that was typed; a text that is no number is sent as text, for whoever insists. */
class NumberField extends Field {
  build() {
    const { node, id } = this;
    this.input = h("input", { id, type: "text", inputmode: node.integer ? "numeric" : "decimal", required: node.required, autocomplete: "off", placeholder: node.examples.length ? `for example ${brief(node.examples[0])}` : null });
    this.input.addEventListener("input", () => this.edited(this.input.value.trim() === ""));
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
      event.preventDefault();
      this.step(event.key === "ArrowUp" ? 1 : -1);
    });
    const stepper = (text, by, what) => h("button", { type: "button", class: "stepper", tabIndex: -1, "aria-label": `${what} ${node.title}`, onclick: () => this.step(by) }, text);
    return h("div", { class: "number" }, this.input, stepper("−", -1, "Decrease"), stepper("+", 1, "Increase"));
  }

  step(by) {
    const { schema, step } = this.node;
    const now = Number(this.input.value);
    if (!Number.isFinite(now)) return;
    const places = (String(step).split(".")[1] ?? "").length;
    const start = this.input.value.trim() === "" ? (schema.minimum ?? 0) - (by > 0 ? by * step : 0) : now;
    const next = Number((start + by * step).toFixed(Math.max(places, (String(start).split(".")[1] ?? "").length)));
    this.input.value = String(Math.min(schema.maximum ?? Infinity, Math.max(schema.minimum ?? -Infinity, next)));
    this.edited();
    this.changed();
  }

  get inputs() {
    return [this.input].filter(Boolean);
  }

  read() {
    const text = this.input.value.trim();
    return text === "" ? ABSENT : (numberFrom(text) ?? this.input.value);
  }

  write(value) {
    this.input.value = value instanceof ExactNumber ? value.text : String(value);
  }

  clear() {
    this.input.value = "";
  }
}

/** A required boolean is a switch; an optional one has three or four states. */
class BooleanField extends Field {
  get grouped() {
    return !this.isSwitch;
  }

  get isSwitch() {
    return this.node.required && !this.node.nullable;
  }

  build() {
    if (this.isSwitch) {
      this.input = h("input", { id: this.id, type: "checkbox", role: "switch", class: "switch", onchange: () => this.edited() });
      return this.input;
    }
    const ways = [...(this.node.required ? [] : [["Not sent", ABSENT]]), ["True", true], ["False", false], ...(this.node.nullable ? [["null", null]] : [])];
    this.radios = ways.map(([text, value]) => ({ value, input: h("input", { type: "radio", name: this.id, onchange: () => ((this.state = typeof value === "boolean" ? "value" : value), this.refresh()) }), text }));
    return h("div", { class: "segments" }, this.radios.map(({ input, text }) => h("label", {}, input, h("span", {}, text))));
  }

  read() {
    return this.isSwitch ? this.input.checked : (this.radios.find(({ input }) => input.checked)?.value ?? ABSENT);
  }

  write(value) {
    if (this.isSwitch) this.input.checked = value;
    else for (const radio of this.radios) radio.input.checked = radio.value === value;
  }

  clear() {
    if (this.isSwitch) this.input.checked = false;
    else this.write(this.state);
  }

  offers(now) {
    return this.isSwitch && now === ABSENT ? [["send false", false]] : [];
  }

  saying(now) {
    return this.isSwitch && now !== ABSENT ? h("span", { class: "field-state" }, String(now)) : null;
  }
}

/** One of several values, whose JSON type is kept: up to 4 radios, up to 12 a select, then a combobox. */
class ChoiceField extends Field {
  get grouped() {
    return this.node.options.length <= MOST_RADIOS;
  }

  build() {
    const { options, title } = this.node;
    const labelled = options.map((option) => ({ ...option, text: options.filter((other) => other.label === option.label).length > 1 ? `${option.label} (${stringify(option.value)})` : option.label }));
    if (this.grouped) {
      this.radios = labelled.map(({ text, note }) => ({ input: h("input", { type: "radio", name: this.id, onchange: () => this.edited() }), text, note }));
      return h("div", { class: "choices" }, this.radios.map(({ input, text, note }) => h("label", {}, input, h("span", {}, text, note ? h("small", {}, note) : null))));
    }
    if (options.length <= MOST_IN_A_SELECT) {
      this.select = h("select", { id: this.id, required: this.node.required, onchange: () => this.edited(this.select.value === "") }, h("option", { value: "" }, this.node.required ? "Choose…" : "Not sent"), labelled.map(({ text }, index) => h("option", { value: String(index) }, text)));
      return this.select;
    }
    this.texts = labelled.map(({ text }) => text);
    this.input = h("input", { id: this.id, type: "text", required: this.node.required, placeholder: `${options.length} choices`, oninput: () => this.edited(this.input.value === "") });
    return combobox(this.input, { label: title, immediately: true, suggest: (text) => (this.texts.includes(text) ? this.texts : this.texts.filter((one) => one.toLowerCase().includes(text.toLowerCase()))) });
  }

  read() {
    const { options } = this.node;
    if (this.input) return options[this.texts.indexOf(this.input.value)]?.value ?? (this.input.value === "" ? ABSENT : this.input.value);
    const index = this.select ? (this.select.value === "" ? -1 : Number(this.select.value)) : this.radios.findIndex(({ input }) => input.checked);
    return index < 0 ? ABSENT : options[index].value;
  }

  write(value) {
    const index = this.node.options.findIndex((option) => same(option.value, value));
    if (this.input) this.input.value = this.texts[index];
    else if (this.select) this.select.value = String(index);
    else this.radios.forEach(({ input }, at) => (input.checked = at === index));
  }

  clear() {
    if (this.input) this.input.value = "";
    else if (this.select) this.select.value = "";
    else for (const { input } of this.radios) input.checked = false;
  }
}

/** Some of several values. */
class ChoicesField extends Field {
  get grouped() {
    return true;
  }

  build() {
    this.boxes = this.node.options.map(({ label, note }) => ({ input: h("input", { type: "checkbox", onchange: () => this.edited(this.node.required ? false : !this.read().length) }), label, note }));
    return h("div", { class: "choices" }, this.boxes.map(({ input, label, note }) => h("label", {}, input, h("span", {}, label, note ? h("small", {}, note) : null))));
  }

  read() {
    return this.node.options.filter((option, index) => this.boxes[index].input.checked).map(({ value }) => value);
  }

  write(value) {
    this.node.options.forEach((option, index) => (this.boxes[index].input.checked = value.some((item) => same(item, option.value))));
  }

  clear() {
    for (const { input } of this.boxes) input.checked = false;
  }

  saying(now) {
    return Array.isArray(now) && !now.length ? h("span", { class: "field-state" }, "an empty list is sent") : super.saying(now);
  }

  offers(now) {
    const out = super.offers(now);
    return now === ABSENT || now === null ? [["send an empty list", []], ...out] : Array.isArray(now) && !now.length && this.node.required ? [["don’t send", ABSENT], ...out] : out;
  }
}

/** A value that the schema gives: sent if required, else offered. */
class ConstField extends Field {
  build() {
    return h("code", { class: "fixed" }, brief(this.node.value, 200));
  }

  get inputs() {
    return [];
  }

  get grouped() {
    return true;
  }

  read() {
    return this.node.value;
  }

  write() {}

  clear() {}

  offers(now) {
    return now === ABSENT ? [["send it", this.node.value]] : [["don’t send", ABSENT]];
  }

  remark() {
    return "The schema allows only this value.";
  }
}

export const SCALARS = { string: TextField, number: NumberField, boolean: BooleanField, choice: ChoiceField, choices: ChoicesField, const: ConstField };

/** The class for a node without parts, or `undefined`. */
export function scalar(node) {
  if (node.kind === "string" && ["date", "time", "date-time"].includes(node.format)) return MomentField;
  return SCALARS[node.kind];
}
