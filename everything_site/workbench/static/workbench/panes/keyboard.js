/** Shortcuts (WCAG 2.1.4: single letters can be switched off), and the dialog that lists them. */

import { h } from "../base/dom.js";

const LETTERS = "es-letters";
const GROUPS = { t: "tools", r: "resources", p: "prompts", s: "session", k: "tasks" };
const HELP = [
  ["Ctrl Enter", "Run"],
  ["Esc", "Close; then cancel the call"],
  ["F6", "Next pane"],
  ["/", "Search features"],
  ["g, then t r p s k", "Tools, resources, prompts, session, tasks"],
  ["q", "First question"],
  ["b", "Break it"],
  ["n", "Next step of a scene"],
  ["j k ← →", "Rows of the wire, fold and unfold"],
  ["c", "Copy the row as curl"],
  ["e", "Edit the row and send it again"],
  ["?", "This list"],
];

export const letters = {
  get areOn() {
    return localStorage.getItem(LETTERS) !== "off";
  },
  set areOn(on) {
    localStorage.setItem(LETTERS, on ? "on" : "off");
  },
};

/** @param {Object<string, Function>} actions `run`, `escape`, `search`, `group(kind)`, `question`, `breakIt`, `next`, `nextPane`, `lettersChanged`. */
export function shortcuts(actions) {
  const dialog = helpDialog(actions);
  let waitsForGroup = false;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.defaultPrevented) return actions.run();
    if (event.key === "F6") {
      event.preventDefault();
      return actions.nextPane(event.shiftKey ? -1 : 1);
    }
    if (event.key === "Escape" && !event.defaultPrevented) return actions.escape();
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target) || !letters.areOn || dialog.open) return;
    if (waitsForGroup) {
      waitsForGroup = false;
      if (event.key in GROUPS) {
        event.preventDefault();
        actions.group(GROUPS[event.key]);
      }
      return;
    }
    const single = { "/": actions.search, q: actions.question, b: actions.breakIt, n: actions.next, "?": () => dialog.showModal(), g: () => (waitsForGroup = true) };
    if (!(event.key in single)) return;
    event.preventDefault();
    single[event.key]();
  });
  document.body.append(dialog);
  return dialog;
}

function isTyping(target) {
  return target.isContentEditable || (target.matches?.("input:not([type=checkbox], [type=radio], [type=button]), textarea, select") ?? false);
}

function helpDialog(actions) {
  const box = h("input", { type: "checkbox", checked: letters.areOn });
  box.addEventListener("change", () => {
    letters.areOn = box.checked;
    actions.lettersChanged(box.checked);
  });
  return h(
    "dialog",
    { class: "wb-help", "aria-labelledby": "wb-help-title" },
    h("h2", { id: "wb-help-title" }, "Keyboard"),
    h("dl", { class: "wb-keys" }, HELP.map(([keys, what]) => [h("dt", {}, h("kbd", {}, keys)), h("dd", {}, what)])),
    h("label", { class: "choice" }, box, "Single letters are shortcuts"),
    h("form", { method: "dialog", class: "wb-actions" }, h("button", { class: "main" }, "Close")),
  );
}
