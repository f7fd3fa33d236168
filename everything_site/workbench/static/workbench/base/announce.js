/** What a screen reader is told without being asked: politely, or at once. */

import { h } from "./dom.js";

const polite = h("div", { class: "hidden", role: "status", "aria-live": "polite" });
const assertive = h("div", { class: "hidden", role: "alert", "aria-live": "assertive" });

/** The live regions; they must be in the page before anything is announced. */
export const regions = [polite, assertive];

export function announce(text, { now = false } = {}) {
  const region = now ? assertive : polite;
  region.textContent = region.textContent === text ? `${text}\u00a0` : text; // the same text again is heard again
}
