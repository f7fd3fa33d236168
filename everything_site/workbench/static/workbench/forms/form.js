/**
 * `<es-form>`: a form made from a JSON Schema, with the same value as JSON beside it.
 *
 * Properties: `schema`; `value` (JSON; `undefined` while the JSON cannot be read); `complete = async (name, value, context) =>
 * string[]` for completion of text, where `context` holds the other values; `submitLabel`, the text of its button, none if
 * empty; `actions`, nodes beside that button; `mode`, "form" or "json".
 *
 * Events: `input` after each change; `run` with `detail: {value, errors}` when the person submits a value, valid or, after
 * "Send anyway", not.
 */

import { fill, h } from "../base/dom.js";
import { JsonError, parse, stringify } from "../base/json.js";
import { rootField } from "./fields_nested.js";
import { ABSENT } from "./schema.js";
import { check } from "./validity.js";

let last = 0;

export class FormElement extends HTMLElement {
  #schema = { type: "object" };
  #complete;
  #submitLabel = "";
  #actions = [];
  #mode = "form";
  #root;
  #touched = new Set();
  #errors = [];

  constructor() {
    super();
    const name = `es-form-${++last}`;
    this.summaryId = `${name}-summary`;
    this.fields = h("div", { class: "form-fields" });
    this.text = h("textarea", { class: "json whole", rows: 10, spellcheck: false, autocomplete: "off", "aria-label": "The value as JSON" });
    this.textError = h("p", { class: "field-error", id: `${name}-json-error`, hidden: true });
    this.json = h("div", { class: "form-json", hidden: true }, this.text, this.textError);
    this.modes = ["form", "json"].map((mode) => h("button", { type: "button", "aria-pressed": String(mode === "form"), onclick: () => (this.mode = mode) }, mode === "form" ? "Form" : "JSON"));
    this.summary = h("div", { class: "form-summary", role: "group", tabIndex: -1, hidden: true, "aria-labelledby": this.summaryId });
    this.buttons = h("div", { class: "form-actions" });
    this.form = h(
      "form",
      { noValidate: true, class: "schema-form" },
      h("div", { class: "form-modes", role: "group", "aria-label": "Edit as" }, this.modes),
      this.summary,
      this.fields,
      this.json,
      this.buttons,
    );
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.submit();
    });
    this.form.addEventListener("input", () => this.#recheck());
    this.text.addEventListener("blur", () => this.#complainOfText());
  }

  connectedCallback() {
    if (!this.form.isConnected) this.append(this.form);
    if (!this.#root) this.#build(undefined);
  }

  get schema() {
    return this.#schema;
  }

  set schema(schema) {
    this.#schema = schema ?? true;
    this.#mode = "form";
    this.#build(undefined);
  }

  get value() {
    if (this.#mode === "json") {
      try {
        return parse(this.text.value);
      } catch {
        return undefined;
      }
    }
    const value = this.#root?.value;
    return value === ABSENT ? undefined : value;
  }

  set value(value) {
    this.#build(value);
  }

  get complete() {
    return this.#complete;
  }

  set complete(complete) {
    const value = this.value;
    this.#complete = complete;
    this.#build(value);
  }

  get submitLabel() {
    return this.#submitLabel;
  }

  set submitLabel(label) {
    this.#submitLabel = label;
    this.#showButtons();
  }

  set actions(nodes) {
    this.#actions = nodes;
    this.#showButtons();
  }

  get mode() {
    return this.#mode;
  }

  set mode(mode) {
    if (mode === this.#mode) return;
    if (mode === "json") {
      const value = this.value;
      this.#mode = mode;
      this.text.value = value === undefined ? "" : stringify(value, 2);
      this.#complainOfText();
      this.#show();
    } else {
      const value = this.value;
      if (value === undefined) {
        this.#complainOfText();
        this.text.focus();
        return;
      }
      this.#mode = mode;
      this.#build(value);
    }
    this.summary.hidden = true;
  }

  /** What is wrong with the value now: `[{path, message}]`, paths as JSON pointers. */
  get errors() {
    if (this.#mode === "json") {
      try {
        parse(this.text.value);
      } catch (error) {
        return [{ path: "", message: error.message, fault: true }];
      }
    }
    const { errors } = check(this.#schema, this.value);
    return [...this.#all().flatMap((field) => (field.fault ? [{ path: field.path, message: field.fault.message }] : [])), ...errors];
  }

  /** Check the value, and send it if it is right; else say what is wrong and offer to send it anyway. */
  submit() {
    this.#errors = this.errors;
    if (!this.#errors.length) {
      this.summary.hidden = true;
      this.#complain(() => true);
      this.#run([]);
      return;
    }
    for (const field of this.#all()) this.#touched.add(field);
    this.#complain(() => true);
    this.#summarise();
  }

  /** A field lost the focus: from now on its errors are shown. */
  touch(field) {
    this.#touched.add(field);
    this.#errors = this.errors;
    this.#complain((one) => this.#touched.has(one));
  }

  #run(errors) {
    this.dispatchEvent(new CustomEvent("run", { bubbles: true, detail: { value: this.value, errors } }));
  }

  #build(value) {
    const start = this.#mode === "json" && value !== undefined;
    this.#root = rootField(this.#schema, value, { form: this, complete: this.#complete && ((name, text) => this.#complete(name, text, this.#others(name))) });
    this.#touched.clear();
    this.#errors = [];
    this.summary.hidden = true;
    const hasFields = this.#root.children?.length !== 0 || this.#root.node.extra;
    fill(this.fields, hasFields ? this.#root.element : h("p", { class: "form-none" }, "Takes no arguments."));
    if (start) this.text.value = stringify(value, 2);
    this.#show();
    this.#showButtons();
  }

  #others(name) {
    const value = this.value;
    return Object.fromEntries(Object.entries(value ?? {}).filter(([other, text]) => other !== name && typeof text === "string"));
  }

  #show() {
    this.fields.hidden = this.#mode === "json";
    this.json.hidden = this.#mode !== "json";
    this.text.rows = Math.min(24, Math.max(6, this.text.value.split("\n").length + 1));
    this.modes.forEach((button, index) => button.setAttribute("aria-pressed", String((index === 1) === (this.#mode === "json"))));
  }

  #showButtons() {
    const label = this.#submitLabel;
    fill(this.buttons, label ? h("button", { type: "submit", class: "main" }, label, h("kbd", { "aria-hidden": "true" }, /Mac|iP/.test(navigator.platform) ? "⌘↵" : "Ctrl ↵")) : null, this.#actions);
    this.buttons.hidden = !label && !this.#actions.length;
  }

  #all() {
    if (this.#mode === "json" || !this.#root) return [];
    const out = [];
    const waiting = [this.#root];
    while (waiting.length) {
      const field = waiting.pop();
      out.push(field);
      waiting.push(...(field.children ?? []));
    }
    return out;
  }

  /** While a person types, messages go away and none comes. */
  #recheck() {
    if (!this.#errors.length) return;
    const now = this.errors;
    this.#errors = this.#errors.filter((one) => now.some((other) => other.path === one.path && other.message === one.message));
    if (this.#mode === "json") this.#complainOfText(true);
    else this.#complain((field) => this.#touched.has(field));
    if (!now.length) this.summary.hidden = true;
  }

  /** The field that an error belongs to: of its own path, or the nearest around it. */
  #owner(path, fields) {
    for (let place = path; ; place = place.slice(0, place.lastIndexOf("/"))) {
      const found = fields.filter((field) => field.path === place);
      if (found.length) return found.at(-1);
      if (place === "") return this.#root;
    }
  }

  #complain(isShown) {
    const fields = this.#all();
    const messages = new Map();
    for (const { path, message } of this.#errors) {
      const owner = this.#owner(path, fields);
      if (owner) messages.set(owner, [...(messages.get(owner) ?? []), owner.path === path ? message : `${path}: ${message}`]);
    }
    for (const field of fields) field.complain(isShown(field) ? [...new Set(messages.get(field) ?? [])] : []);
  }

  #complainOfText(onlyIfShown = false) {
    if (onlyIfShown && this.textError.hidden) return;
    let message = "";
    if (this.text.value.trim() !== "") {
      try {
        parse(this.text.value);
      } catch (error) {
        if (!(error instanceof JsonError)) throw error;
        message = error.message;
      }
    }
    this.textError.textContent = message;
    this.textError.hidden = !message;
    this.text.setAttribute("aria-invalid", String(Boolean(message)));
    if (message) this.text.setAttribute("aria-describedby", this.textError.id);
    else this.text.removeAttribute("aria-describedby");
  }

  #summarise() {
    const fields = this.#all();
    const count = this.#errors.length;
    const unreadable = this.#errors.some(({ fault }) => fault);
    if (unreadable) this.#complainOfText();
    fill(
      this.summary,
      h("p", { id: this.summaryId, class: "form-summary-title" }, unreadable ? "This is not JSON" : count === 1 ? "One thing does not match the schema" : `${count} things do not match the schema`),
      h("ul", {}, this.#errors.map(({ path, message }) => {
        const owner = this.#mode === "form" ? this.#owner(path, fields) : undefined;
        const name = owner?.path === path ? owner.node.title : path;
        const go = () => (owner ? owner.focus() : this.text.focus());
        if (owner === this.#root && path === "") return h("li", {}, message);
        return h("li", {}, h("button", { type: "button", class: "link", onclick: go }, name || "The value"), ` ${message}`);
      })),
      unreadable ? null : h("p", { class: "form-summary-anyway" }, h("button", { type: "button", onclick: () => this.#sendAnyway() }, "Send anyway"), " to see what the server says."),
    );
    this.summary.hidden = false;
    this.summary.focus();
  }

  #sendAnyway() {
    const { errors } = this;
    this.summary.hidden = true;
    this.querySelector("button.main")?.focus();
    this.#run(errors);
  }
}

customElements.define("es-form", FormElement);
