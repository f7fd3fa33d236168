/** Controls that are chosen from: true and false, one of several values, some of them, the only one. */

import { h } from "../base/dom.js";
import { same, stringify } from "../base/json.js";
import { combobox } from "./combobox.js";
import { Field } from "./field.js";
import { ABSENT } from "./schema.js";
import { brief } from "./schema_words.js";

const MAX_RADIOS = 4;
const MAX_IN_A_SELECT = 12;

/** A required boolean is a switch; an optional one has three or four states. */
export class BooleanField extends Field {
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
export class ChoiceField extends Field {
  get grouped() {
    return this.node.options.length <= MAX_RADIOS;
  }

  build() {
    const { options, title } = this.node;
    const labelled = options.map((option) => ({ ...option, text: options.filter((other) => other.label === option.label).length > 1 ? `${option.label} (${stringify(option.value)})` : option.label }));
    if (this.grouped) {
      this.radios = labelled.map(({ text, note }) => ({ input: h("input", { type: "radio", name: this.id, onchange: () => this.edited() }), text, note }));
      return h("div", { class: "choices" }, this.radios.map(({ input, text, note }) => h("label", {}, input, h("span", {}, text, note ? h("small", {}, note) : null))));
    }
    if (options.length <= MAX_IN_A_SELECT) {
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
export class ChoicesField extends Field {
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
export class ConstField extends Field {
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
    if (now === ABSENT) return [["send it", this.node.value]];
    return this.node.required ? [] : [["don’t send", ABSENT]];
  }

  remark() {
    return "The schema allows only this value.";
  }
}
