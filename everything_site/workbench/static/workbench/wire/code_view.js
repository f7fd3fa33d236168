/** Shows the pieces that highlight.js makes: coloured, long strings folded in place, pictures beside their data. */

import { h } from "../base/dom.js";

/** A block of code from pieces; `label` names it for screen readers. */
export function codeBlock(tokens, { label = null } = {}) {
  return h("pre", { class: "code", role: label ? "group" : null, "aria-label": label }, h("code", {}, lines(tokens)));
}

/** Each line in an element of its own, so that what does not fit is continued under its beginning. */
function lines(tokens) {
  const all = [[]];
  for (const token of tokens) {
    const parts = token.kind === "fold" ? [token.text] : token.text.split("\n");
    parts.forEach((text, index) => {
      if (index > 0) all.push([]);
      if (text !== "") all.at(-1).push({ ...token, text });
    });
  }
  return all.map((line) => {
    const indent = (/^ */.exec(line[0]?.text ?? "")[0].length || 0) + 2;
    const element = h("span", { class: "c-line" }, line.length ? line.map(piece) : "\n");
    element.style.paddingLeft = `${indent}ch`;
    element.style.textIndent = `-${indent}ch`;
    return element;
  });
}

function piece(token) {
  if (token.kind === "text") return token.text;
  if (token.kind !== "fold") return h("span", { class: `c-${token.kind}` }, token.text);
  const picture = token.media?.startsWith("data:image/") ? h("img", { src: token.media, alt: token.summary, class: "c-picture" }) : null;
  const shown = h("button", { class: "c-fold", type: "button", "aria-expanded": "false" }, token.summary);
  const whole = h("span", { class: "c-string", hidden: true }, token.text);
  shown.addEventListener("click", () => {
    whole.hidden = !whole.hidden;
    shown.setAttribute("aria-expanded", String(!whole.hidden));
  });
  return h("span", { class: "c-folded" }, picture, shown, whole);
}

/** Colours the text of an existing `<pre><code>`, which stays readable if this never runs. */
export function colour(pre, tokens) {
  pre.querySelector("code").replaceChildren(...lines(tokens));
  pre.classList.add("code");
}

/** A button that copies a text and says so. */
export function copyButton(text, label = "Copy") {
  const button = h("button", { class: "w-copy", type: "button" }, label);
  button.addEventListener("click", async (event) => {
    event.stopPropagation();
    await copy(typeof text === "function" ? text() : text);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 1500);
  });
  return button;
}

/** Copies a text, also where the asynchronous clipboard is refused. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = h("textarea", { value: text, class: "w-offscreen", "aria-hidden": "true" });
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}
