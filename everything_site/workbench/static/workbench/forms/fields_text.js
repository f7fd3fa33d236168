/** Controls that are typed into: text, dates and times, numbers. */

import { h } from "../base/dom.js";
import { ExactNumber, numberFrom } from "../base/json.js";
import { combobox } from "./combobox.js";
import { Field } from "./field.js";
import { ABSENT } from "./schema.js";
import { brief } from "./schema_words.js";

export class TextField extends Field {
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
export class MomentField extends Field {
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
export class NumberField extends Field {
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
    return h("div", { class: "stepped" }, this.input, stepper("−", -1, "Decrease"), stepper("+", 1, "Increase"));
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
