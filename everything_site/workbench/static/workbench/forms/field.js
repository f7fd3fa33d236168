/** What all controls of a form have in common: `fields_text.js`, `fields_choice.js`, `fields_nested.js`. */

import { fill, h } from "../base/dom.js";
import { same } from "../base/json.js";
import { ABSENT } from "./schema.js";
import { brief } from "./schema_words.js";

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
    this.description = h("p", { class: "field-description", id: `${this.id}-description` }, node.description === node.title ? "" : node.description);
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
    const body = [this.description.textContent ? this.description : null, h("div", { class: "field-control" }, this.control), this.note, this.error];
    return this.grouped
      ? h("fieldset", { class: "field", dataset: { kind: node.kind } }, h("legend", {}, head), h("div", { class: "field-side" }, this.states), body)
      : h("div", { class: "field", dataset: { kind: node.kind } }, h("div", { class: "field-line" }, head, this.states), body);
  }

  /** Say in which of the three ways nothing is sent, and offer the others. */
  refresh() {
    const { node } = this;
    const now = this.value;
    const offers = this.offers(now);
    fill(this.states, this.saying(now), offers.map(([text, value]) => h("button", { type: "button", class: value === ABSENT ? "mini less" : "mini", onclick: () => this.choose(value) }, text, h("span", { class: "hidden" }, ` (${node.title || "value"})`))));
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
    if (this.node.place !== "item" && now !== ABSENT && (!this.node.required || now === null || now === "")) out.push(["don’t send", ABSENT]);
    if (this.node.kind === "string" && !this.node.format && (now === ABSENT || now === null)) out.push(["send empty", ""]);
    if (this.node.nullable && now !== null) out.push(["send null", null]);
    return out;
  }

  remark(now) {
    const { node } = this;
    if (!Object.hasOwn(node, "default")) return "";
    return now !== ABSENT && same(node.default, now) ? "This is the default." : `Default: ${brief(node.default)}`;
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
