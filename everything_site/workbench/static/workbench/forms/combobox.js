/** A text input with a list of suggestions beneath it (ARIA combobox, list autocomplete with manual selection). */

import { h } from "../base/dom.js";

const TYPING_MS = 250;
const MAX_SHOWN = 100;

let last = 0;

/**
 * Give an input a list of suggestions.
 *
 * @param {HTMLInputElement} input
 * @param {Object} options
 * @param {(text: string) => Promise<string[]>|string[]} options.suggest Called 250 ms after typing and when the list is opened.
 * @param {string} options.label The name of the list.
 * @param {boolean} [options.immediately] Ask without waiting, for lists that are at hand.
 * @returns {HTMLElement} What to put into the page in place of the input.
 */
export function combobox(input, { suggest, label, immediately = false }) {
  const id = `es-suggestions-${++last}`;
  const list = h("ul", { id, role: "listbox", "aria-label": label, class: "combobox-list", hidden: true });
  const status = h("span", { class: "hidden", role: "status" });
  let [active, timer, asked] = [-1, 0, 0];

  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": id, autocomplete: "off", spellcheck: "false" }))
    input.setAttribute(name, value);

  const options = () => [...list.children];
  const isOpen = () => !list.hidden;

  function close() {
    clearTimeout(timer);
    asked += 1; // an answer that is under way comes too late
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function mark(index) {
    active = index;
    options().forEach((option, at) => option.setAttribute("aria-selected", String(at === active)));
    const option = options()[active];
    if (option) {
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  function pick(text) {
    input.value = text;
    close();
    input.dispatchEvent(new Event("input", { bubbles: true }));
    close(); // choosing is no typing
  }

  function show(texts) {
    list.replaceChildren(
      ...texts.slice(0, MAX_SHOWN).map((text, index) =>
        h("li", { id: `${id}-${index}`, role: "option", "aria-selected": "false", onpointerdown: (event) => { event.preventDefault(); pick(text); } }, text || "(empty)"),
      ),
    );
    active = -1;
    list.hidden = !texts.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    input.removeAttribute("aria-activedescendant");
    status.textContent = texts.length ? `${texts.length} suggestions` : "No suggestions";
  }

  async function ask() {
    const mine = ++asked;
    try {
      const texts = await suggest(input.value);
      if (mine === asked && input.isConnected && input === document.activeElement) show(texts);
    } catch {
      if (mine === asked) close();
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, immediately ? 0 : TYPING_MS);
  });
  input.addEventListener("blur", close);
  input.addEventListener("click", () => !isOpen() && immediately && ask());
  input.addEventListener("keydown", (event) => {
    const count = options().length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!isOpen()) ask();
      else mark(event.key === "ArrowDown" ? (active + 1) % count : (active + count - (active < 0 ? 0 : 1)) % count);
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && isOpen() && active >= 0) {
      event.preventDefault();
      pick(options()[active].textContent);
    } else if (event.key === "Escape" && isOpen()) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  return h("div", { class: "combobox" }, input, list, status);
}
