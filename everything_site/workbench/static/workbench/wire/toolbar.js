/** The toolbar of the wire log: filter, export, clear. */

import { h } from "../base/dom.js";
import { KINDS } from "./filter.js";
import { downloadHar, downloadRecording, showDiagram } from "./menu.js";

export class Toolbar {
  #wire;
  #text;
  #lane;
  #kind;
  #process;
  #errors;
  #secrets;
  #more;

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
    this.element = h("div", { class: "w-toolbar", role: "group", "aria-label": "Filter and export" }, this.#text, this.#choices(), this.#errors, this.#exports(), clear);
    for (const popup of this.element.querySelectorAll("details")) closeByItself(popup);
  }

  #choices() {
    this.#more = h("summary", { class: "w-tool" }, "Filter");
    const labelled = (text, select) => h("label", {}, h("span", {}, text), select);
    return h("details", { class: "w-export" }, this.#more, h("div", { class: "w-popup" }, labelled("Lane", this.#lane), labelled("Kind", this.#kind), labelled("Process", this.#process)));
  }

  get #isOn() {
    return this.#errors.getAttribute("aria-pressed") === "true";
  }

  /** Reflect a filter, and offer what there is. */
  show(filter, { lanes, processes }) {
    setOptions(this.#lane, lanes);
    setOptions(this.#process, processes);
    const chosen = [filter.lane, filter.kind, filter.process].filter(Boolean).length;
    this.#more.textContent = chosen ? `Filter (${chosen})` : "Filter";
    this.#more.classList.toggle("w-chosen", chosen > 0);
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
    const item = (label, action) => h("button", { type: "button", onclick: () => ((popup.open = false), action()) }, label);
    const popup = h(
      "details",
      { class: "w-export" },
      h("summary", { class: "w-tool" }, "Export"),
      h(
        "div",
        { class: "w-popup" },
        item("Sequence diagram…", () => showDiagram(this.#wire)),
        item("HAR 1.2", () => downloadHar(this.#wire, secrets())),
        item("Recording (JSON)", () => downloadRecording(this.#wire, secrets())),
        h("label", {}, this.#secrets, " Include tokens and other secrets"),
        h("label", {}, announce, " Read new rows aloud"),
      ),
    );
    return popup;
  }
}

/** Escape and a click elsewhere close an open popup. */
function closeByItself(details) {
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    details.open = false;
    details.querySelector("summary").focus();
    event.stopPropagation();
  });
  details.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget && !details.contains(relatedTarget)) details.open = false;
  });
  details.addEventListener("toggle", () => {
    if (!details.open) return;
    const close = (event) => details.contains(event.target) || (details.open = false, removeEventListener("pointerdown", close));
    addEventListener("pointerdown", close);
  });
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
