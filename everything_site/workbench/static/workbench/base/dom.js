/** Build DOM nodes. */

/**
 * Create an element.
 *
 * @param {string} tag
 * @param {Object} [props] Attributes and properties: `class`, `dataset`, `onclick` and other listeners, properties that
 *   the element has (`value`, `disabled`, `htmlFor`), and everything else as an attribute. `null`, `undefined` and
 *   `false` leave an attribute out, `true` gives it without a value.
 * @param {...(Node|string|number|null|undefined|false|Array)} children Nested arrays are flattened, empty ones skipped.
 * @returns {HTMLElement}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined) continue;
    if (name === "dataset") Object.assign(element.dataset, value);
    else if (name.startsWith("on") && typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name in element && !name.startsWith("aria") && name !== "list" && name !== "form" && name !== "role")
      element[name] = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, String(value));
  }
  append(element, children);
  return element;
}

/** Append children as `h` does. */
export function append(parent, children) {
  for (const child of [children].flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false && child !== "") parent.append(child instanceof Node ? child : String(child));
  }
}

/** Replace what an element contains. */
export function fill(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
  return parent;
}
