/** Menus of controls, each with what it does or why it cannot. */

import { announce } from "./announce.js";
import { fill, h } from "./dom.js";

/** A menu: a button that unfolds a list of buttons. `opens` is called before it is placed, and may fill it. */
export function menu(label, items, { title, opens = () => {} } = {}) {
  const list = h("div", { class: "wb-menu-items" }, items);
  const details = h("details", { class: "wb-menu" }, h("summary", { title }, label), list);
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    event.stopPropagation();
    details.open = false;
    details.querySelector("summary").focus();
  });
  details.addEventListener("focusout", (event) => {
    if (!details.contains(event.relatedTarget)) details.open = false;
  });
  details.addEventListener("toggle", () => {
    if (!details.open) return;
    opens();
    unfold(details, list);
  });
  list.addEventListener("click", (event) => {
    if (event.target.closest("button:not(:disabled)")) details.open = false;
  });
  return details;
}

/** Upwards where there is too little room below; then the pane scrolls, if that is not enough either. */
function unfold(details, list) {
  const pane = details.closest(".wb-place, .wb-questions")?.getBoundingClientRect() ?? { top: 0, bottom: innerHeight };
  const { top, bottom } = details.getBoundingClientRect();
  const below = pane.bottom - bottom;
  details.classList.toggle("upwards", list.offsetHeight > below && top - pane.top > below);
  list.scrollIntoView({ block: "nearest" });
}

/** An item of a menu: a button, and beneath it why it is disabled or what it does. */
export function control(label, act, { why = "", note = "" } = {}) {
  const button = h("button", { type: "button", class: "plain", disabled: why !== "" }, label);
  button.addEventListener("click", async () => {
    try {
      await act();
    } catch (error) {
      announce(`That failed: ${error.message}`);
    }
  });
  return h("div", { class: "wb-menu-item" }, button, (why || note) && h("small", {}, why || note));
}

/** Fill a menu anew where it differs from what it has, while the focus stays where a person has put it. */
export function refill(items, ...controls) {
  if (content(h("div", {}, controls)) === content(items)) return;
  const stops = () => [...items.querySelectorAll("button, select")];
  const at = stops().indexOf(document.activeElement);
  if (at >= 0) items.closest("details").querySelector("summary").focus(); // or the menu would close
  fill(items, controls);
  if (at >= 0) stops()[at]?.focus();
}

const content = (node) => [node.innerHTML, ...[...node.querySelectorAll("select")].map(({ value }) => value)].join("\n");
