/** Pieces that several views have. */

import { announce } from "./announce.js";
import { h } from "./dom.js";

/** The head of a view: its title, what it is called on the wire, what it does, and badges. */
export function viewHead({ title, name, about, badges = [] }) {
  return h(
    "header",
    { class: "wb-view-head" },
    h("h1", { tabIndex: -1 }, title),
    h("p", { class: "wb-name" }, name && name !== title && h("code", {}, name), badges.map(([text, tone = "", hint]) => h("span", { class: `badge ${tone}`, title: hint }, text))),
    about && h("p", { class: "wb-about" }, about),
  );
}

/** JSON that can be unfolded. */
export function jsonDetails(label, value) {
  return h("details", { class: "wb-json" }, h("summary", {}, label), h("pre", { tabIndex: 0 }, JSON.stringify(value, null, 2)));
}

/** A button that copies, and says so. */
export function copyButton(label, text) {
  const button = h("button", { type: "button" }, label);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text());
    button.textContent = "Copied";
    announce("Copied");
    setTimeout(() => (button.textContent = label), 1500);
  });
  return button;
}

/** Completion of an argument, for a form: asks the server, and gives nothing where it fails. */
export function completer(app, ref) {
  return async (name, value, context) => {
    const others = Object.entries(context ?? {}).filter(([key, other]) => key !== name && typeof other === "string" && other !== "");
    const params = { ref, argument: { name, value: String(value) } };
    if (others.length && app.client.revision >= "2025-06-18") params.context = { arguments: Object.fromEntries(others) };
    try {
      return (await app.client.request("completion/complete", params)).completion.values;
    } catch {
      return []; // the wire shows why
    }
  };
}

/** An error as text, for places without room for more. */
export function errorLine(error) {
  return h("p", { class: "wb-error" }, error.code ? `${error.code}: ${error.message}` : error.message);
}
