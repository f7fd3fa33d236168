/** What can be done with an exchange: copied, sent again, compared, linked; and a recording as a file. */

import { h } from "../base/dom.js";
import { save } from "../base/files.js";
import { copy } from "./code_view.js";
import { compareDialog } from "./compare.js";
import { diagramDialog } from "./diagram_dialog.js";
import { curl, har, python } from "./exports.js";
import { Recording } from "./recording.js";
import { SecretMask } from "./secrets.js";

const FORMATS = { curl, python, json: (exchange) => JSON.stringify(withoutSecrets(exchange), null, 2) };

function withoutSecrets(exchange) {
  const json = exchange.toJSON();
  return new SecretMask({ exchanges: [json] }).apply(json);
}

export class WireMenu {
  #wire;
  #menu = null;
  #compared = null;

  constructor(wire) {
    this.#wire = wire;
  }

  /** Open the menu of an exchange below a button. */
  open(exchange, button) {
    this.#close();
    const base = this.#compared;
    const item = (label, action) => h("button", { type: "button", role: "menuitem", tabIndex: -1, onclick: () => this.#close(button) ?? action() }, label);
    this.#menu = h(
      "div",
      { class: "w-popup w-row-menu", role: "menu", "aria-label": "Actions", popover: "manual" },
      item("Copy as curl", () => this.copyAs("curl", exchange)),
      item("Copy as Python", () => this.copyAs("python", exchange)),
      item("Copy as JSON", () => this.copyAs("json", exchange)),
      item("Edit and resend…", () => this.resend(exchange)),
      base && base !== exchange
        ? item(`Compare with the chosen one (${base.at.toFixed(2)})`, () => compareDialog(base, exchange))
        : item("Choose for comparison", () => (this.#compared = exchange)),
      this.#wire.hasAttribute("linkable") ? item("Link to this", () => this.#link(exchange)) : null,
    );
    this.#wire.append(this.#menu);
    this.#menu.showPopover();
    this.#place(button);
    this.#menu.querySelector("button").focus();
    this.#menu.addEventListener("keydown", (event) => this.#onKey(event, button));
    this.#menu.addEventListener("focusout", ({ relatedTarget }) => this.#menu && !this.#menu.contains(relatedTarget) && this.#close());
  }

  /** Below the button, or above it where there is no room. */
  #place(button) {
    const { left, right, top, bottom } = button.getBoundingClientRect();
    const { width, height } = this.#menu.getBoundingClientRect();
    const fits = bottom + height < innerHeight - 8;
    this.#menu.style.top = `${fits ? bottom + 2 : Math.max(8, top - height - 2)}px`;
    this.#menu.style.left = `${Math.max(8, Math.min(left, right - width, innerWidth - width - 8))}px`;
  }

  async copyAs(format, exchange) {
    if (!exchange) return;
    await copy(FORMATS[format](exchange));
    this.#say("Copied.");
  }

  /** Ask the page to open the exchange's request in its editor. */
  resend(exchange) {
    if (exchange) this.#wire.dispatchEvent(new CustomEvent("resend", { bubbles: true, detail: exchange.request }));
  }

  async #link(exchange) {
    await copy(`${location.href.split("#")[0]}#exchange-${exchange.id}`);
    this.#say("Link copied.");
  }

  #say(text) {
    const note = h("div", { class: "w-toast", role: "status" }, text);
    this.#wire.append(note);
    setTimeout(() => note.remove(), 1500);
  }

  #close(button) {
    this.#menu?.remove();
    this.#menu = null;
    button?.closest(".w-row")?.focus();
  }

  #onKey(event, button) {
    const items = [...this.#menu.querySelectorAll("button")];
    const at = items.indexOf(document.activeElement);
    const next = { ArrowDown: (at + 1) % items.length, ArrowUp: (at + items.length - 1) % items.length, Home: 0, End: items.length - 1 }[event.key];
    if (next !== undefined) items[next].focus();
    else if (event.key === "Escape" || event.key === "Tab") this.#close(button);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** The recording of a wire log with only those exchanges that its filter leaves. */
function filtered(wire, secrets) {
  const shown = new Set(wire.shown.map(({ id }) => id));
  const json = secrets ? wire.recording.toJSON() : wire.recording.masked();
  return { ...json, exchanges: json.exchanges.filter(({ id }) => shown.has(id)) };
}

export function downloadHar(wire, { secrets }) {
  saveJson("everything-server.har", har(filtered(wire, secrets), { secrets: true }));
}

export function downloadRecording(wire, { secrets }) {
  saveJson("everything-server.recording.json", filtered(wire, secrets));
}

export function showDiagram(wire) {
  diagramDialog(Recording.fromJSON(filtered(wire, false)), { show: (id) => wire.show(id) });
}

function saveJson(name, value) {
  save(name, new Blob([JSON.stringify(value, null, 2)], { type: "application/json" }));
}
