/** Two exchanges side by side, with the lines that differ marked. */

import { h } from "../base/dom.js";
import { titleOf } from "../protocol/messages.js";
import { lineDifference } from "./difference.js";
import { exchange as layOut } from "./layout.js";

/** Open a dialog that compares two exchanges. */
export function compareDialog(one, other) {
  const lines = lineDifference(layOut(one).split("\n"), layOut(other).split("\n"));
  const name = (exchange) => `${titleOf(exchange).method} ${titleOf(exchange).subject} at +${exchange.at.toFixed(2)}`;
  const dialog = h(
    "dialog",
    { class: "w-compare", "aria-label": "Comparison of two exchanges" },
    h("div", { class: "w-compare-head" }, h("h2", {}, name(one)), h("h2", {}, name(other)), h("button", { type: "button", class: "w-tool", onclick: () => dialog.close() }, "Close")),
    h("div", { class: "w-compare-body" }, lines.map(([left, right]) => pair(left, right))),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function pair(left, right) {
  const differs = left !== right;
  const side = (text, kind) => h("code", { class: text === null ? "w-absent" : differs ? kind : "" }, differs && text !== null ? h("span", { class: "w-word" }, "differs: ") : null, text ?? "");
  return h("div", { class: "w-compare-line" }, side(left, "w-removed"), side(right, "w-added"));
}
