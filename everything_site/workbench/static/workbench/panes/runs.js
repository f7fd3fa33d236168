/** The calls of one feature, latest first, as cards. */

import { fill, h } from "../base/dom.js";
import { callCard } from "./call_card.js";

/**
 * @param {Object} app
 * @param {string} key The feature, such as `tools/add`.
 * @param {{title: string, render: (call: Call) => Node}} options
 */
export function runList(app, key, options) {
  const heading = h("h2", { class: "wb-runs-title" }, "Result");
  const list = h("div", { class: "wb-runs" });
  const section = h("section", { class: "wb-results", "aria-label": "Results", hidden: true }, heading, list);
  const cards = new Map();
  const show = () => {
    const calls = app.history.get(key) ?? [];
    section.hidden = calls.length === 0;
    heading.textContent = calls.length > 1 ? `Results (${calls.length})` : "Result";
    for (const call of calls) if (!cards.has(call)) cards.set(call, callCard(app, call, options));
    fill(list, calls.map((call) => cards.get(call)));
  };
  app.addEventListener("call", ({ detail }) => {
    if (detail.key !== key) return;
    show();
    section.scrollIntoView({ block: "nearest" });
  });
  show();
  return section;
}
