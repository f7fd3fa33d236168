/** The toolbar of the wire log: filter, export, clear. */

import { h } from "./dom.js";
import { downloadHar, downloadRecording } from "./wire_menu.js";
import { KINDS } from "./wire_filter.js";

export class Toolbar {
  #wire;
  #text;
  #lane;
  #kind;
  #process;
  #errors;
  #secrets;

  constructor(wire) {
    this.#wire = wire;
    const changed = () => this.#changed();
    this.#text = h("input", { type: "search", class: "w-search", placeholder: "Filter", "aria-label": "Filter by text", oninput: changed });
    this.#lane = choice("All lanes", "Lane", changed);
    this.#kind = choice("All kinds", "Kind", changed);
    this.#process = choice("All processes", "Process", changed);
    setOptions(this.#kind, Object.keys(KINDS));
    this.#errors = h("button", { class: "w-toggle", type: "button", "aria-pressed": "false" }, "Errors");
    this.#errors.addEventListener("click", () => {
      this.#errors.setAttribute("aria-pressed", String(!this.#isOn));
      changed();
    });
    this.#secrets = h("input", { type: "checkbox" });
    const clear = h("button", { class: "w-tool", type: "button", onclick: () => wire.recording?.clear() }, "Clear");
    this.element = h("div", { class: "w-toolbar", role: "group", "aria-label": "Filter and export" }, this.#text, this.#lane, this.#kind, this.#process, this.#errors, this.#exports(), clear);
  }

  get #isOn() {
    return this.#errors.getAttribute("aria-pressed") === "true";
  }

  /** Reflect a filter, and offer what there is. */
  show(filter, { lanes, processes }) {
    setOptions(this.#lane, lanes);
    setOptions(this.#process, processes);
    this.#process.hidden = processes.length < 2;
    if (document.activeElement !== this.#text) this.#text.value = filter.text ?? "";
    this.#lane.value = filter.lane ?? "";
    this.#kind.value = filter.kind ?? "";
    this.#process.value = filter.process ?? "";
    this.#errors.setAttribute("aria-pressed", String(Boolean(filter.errors)));
  }

  #changed() {
    const entries = { text: this.#text.value.trim(), lane: this.#lane.value, kind: this.#kind.value, process: this.#process.value, errors: this.#isOn };
    const filter = Object.fromEntries(Object.entries(entries).filter(([, value]) => value));
    this.#wire.filter = filter;
    this.#wire.dispatchEvent(new CustomEvent("filter", { bubbles: true, detail: filter }));
  }

  #exports() {
    const secrets = () => ({ secrets: this.#secrets.checked });
    const announce = h("input", { type: "checkbox", onchange: ({ target }) => (this.#wire.announced = target.checked) });
    const item = (label, action) => h("button", { type: "button", onclick: action }, label);
    return h(
      "details",
      { class: "w-export" },
      h("summary", { class: "w-tool" }, "Export"),
      h(
        "div",
        { class: "w-popup" },
        item("HAR 1.2", () => downloadHar(this.#wire, secrets())),
        item("Recording (JSON)", () => downloadRecording(this.#wire, secrets())),
        h("label", {}, this.#secrets, " Include tokens and other secrets"),
        h("label", {}, announce, " Read new rows aloud"),
      ),
    );
  }
}

function choice(all, label, changed) {
  return h("select", { class: "w-choice", "aria-label": label, onchange: changed }, h("option", { value: "" }, all));
}

function setOptions(select, values) {
  if (values.join() === [...select.options].slice(1).map(({ value }) => value).join()) return;
  const chosen = select.value;
  select.replaceChildren(select.options[0], ...values.map((value) => h("option", { value }, value)));
  select.value = values.includes(chosen) ? chosen : "";
}
