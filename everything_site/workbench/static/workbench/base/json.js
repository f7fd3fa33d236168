/** JSON that keeps numbers as they were typed, and says where a text stops being JSON. */

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const MAX_DEPTH = 200;

/** A number whose text a JavaScript number would change: `9007199254740993`, `1e400`, `1.0`. */
export class ExactNumber {
  constructor(text) {
    this.text = text;
  }

  valueOf() {
    return Number(this.text);
  }

  toString() {
    return this.text;
  }

  /** For `JSON.stringify`: the exact text where the engine can write it, the nearest number elsewhere. */
  toJSON() {
    return JSON.rawJSON ? JSON.rawJSON(this.text) : Number(this.text);
  }
}

/**
 * A number from its text: a JavaScript number if that is written the same way, otherwise an `ExactNumber`.
 *
 * @param {string} text
 * @returns {number|ExactNumber|undefined} `undefined` if the text is not a JSON number.
 */
export function numberFrom(text) {
  NUMBER.lastIndex = 0;
  if (NUMBER.exec(text)?.[0] !== text) return undefined;
  const number = Number(text);
  return String(number) === text ? number : new ExactNumber(text);
}

/** Where and why a text is not JSON. `offset` counts UTF-16 units from 0, `line` and `column` from 1. */
export class JsonError extends Error {
  constructor(reason, text, offset) {
    const before = text.slice(0, offset).split("\n");
    super(`Line ${before.length}, column ${before.at(-1).length + 1}: ${reason}`);
    this.name = "JsonError";
    this.offset = offset;
    this.line = before.length;
    this.column = before.at(-1).length + 1;
  }
}

/**
 * Read JSON (RFC 8259).
 *
 * @param {string} text
 * @returns {*} Numbers that JavaScript cannot represent exactly are `ExactNumber`s.
 * @throws {JsonError} The text is not JSON.
 */
export function parse(text) {
  let at = 0;

  const fail = (reason, offset = at) => {
    throw new JsonError(reason, text, offset);
  };
  const found = () => (at < text.length ? `“${String.fromCodePoint(text.codePointAt(at))}”` : "the end of the text");
  const space = () => {
    while (at < text.length && " \t\r\n".includes(text[at])) at += 1;
  };
  const expect = (character, after) => {
    space();
    if (text[at] !== character) fail(`expected “${character}” ${after}, found ${found()}`);
    at += 1;
  };

  function string() {
    const start = at;
    let out = "";
    for (at += 1; ; ) {
      if (at >= text.length) fail("this string has no closing quote", start);
      const character = text[at];
      if (character === '"') {
        at += 1;
        return out;
      }
      if (character < " ") fail("line breaks and control characters in a string are written as \\n, \\t, \\u0000");
      if (character !== "\\") {
        out += character;
        at += 1;
        continue;
      }
      const escape = text[at + 1];
      if (escape === "u" && /^[0-9a-fA-F]{4}$/.test(text.slice(at + 2, at + 6))) {
        out += String.fromCharCode(parseInt(text.slice(at + 2, at + 6), 16));
        at += 6;
      } else if (Object.hasOwn(ESCAPES, escape ?? "")) {
        out += ESCAPES[escape];
        at += 2;
      } else fail("unknown escape in a string");
    }
  }

  function members(depth) {
    const out = {};
    at += 1;
    space();
    if (text[at] === "}") return (at += 1), out;
    for (;;) {
      space();
      if (text[at] !== '"') fail(`expected a name in double quotes, found ${found()}`);
      const name = string();
      expect(":", "after a name");
      const value = any(depth);
      Object.defineProperty(out, name, { value, writable: true, enumerable: true, configurable: true }); // also `__proto__`
      space();
      if (text[at] === "}") return (at += 1), out;
      expect(",", "or “}” after a value");
    }
  }

  function items(depth) {
    const out = [];
    at += 1;
    space();
    if (text[at] === "]") return (at += 1), out;
    for (;;) {
      out.push(any(depth));
      space();
      if (text[at] === "]") return (at += 1), out;
      expect(",", "or “]” after a value");
    }
  }

  function any(depth) {
    if (depth > MAX_DEPTH) fail(`nested more than ${MAX_DEPTH} deep`);
    space();
    const character = text[at];
    if (character === "{") return members(depth + 1);
    if (character === "[") return items(depth + 1);
    if (character === '"') return string();
    for (const [word, value] of [["true", true], ["false", false], ["null", null]])
      if (text.startsWith(word, at)) return (at += word.length), value;
    NUMBER.lastIndex = at;
    const number = NUMBER.exec(text)?.[0];
    if (number === undefined) fail(`expected a value, found ${found()}`);
    at += number.length;
    return numberFrom(number);
  }

  const value = any(0);
  space();
  if (at < text.length) fail(`expected the end, found ${found()}`);
  return value;
}

/**
 * Write JSON, exact numbers as they were typed.
 *
 * @param {*} value
 * @param {number} [indent] Spaces per level; 0 for one line.
 * @returns {string}
 */
export function stringify(value, indent = 0, level = 0) {
  if (value instanceof ExactNumber) return value.text;
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  if (JSON.isRawJSON?.(value)) return value.rawJSON;
  const list = Array.isArray(value);
  const parts = list
    ? value.map((item) => stringify(item, indent, level + 1))
    : Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([name, item]) => `${JSON.stringify(name)}:${indent ? " " : ""}${stringify(item, indent, level + 1)}`);
  const [open, close] = list ? "[]" : "{}";
  if (!parts.length) return open + close;
  if (!indent) return open + parts.join(",") + close;
  const margin = "\n" + " ".repeat(indent * level);
  return open + parts.map((part) => margin + " ".repeat(indent) + part).join(",") + margin + close;
}

/** The same value with plain numbers, for whoever only compares. */
export function approximate(value) {
  if (value instanceof ExactNumber) return Number(value.text);
  if (Array.isArray(value)) return value.map(approximate);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, approximate(item)]));
}

/** Whether two values are the same JSON: names in any order, `1` equal to `1.0`. */
export function same(one, other) {
  const [a, b] = [approximate(one), approximate(other)];
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return Object.is(a, b) || a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && same(a[name], b[name]));
}
