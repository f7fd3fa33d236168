/** The fragment of the page: `#/tools/add?rev=2026-07-28&args=BASE64URL`. It never reaches a server. */

export const KINDS = ["start", "tools", "resources", "templates", "prompts", "skills", "tasks", "session", "raw"];

/**
 * @param {string} fragment
 * @returns {{kind: string, name: string|null, revision: string|null, args: any, parameters: URLSearchParams}}
 */
export function parse(fragment) {
  const [path, query = ""] = fragment.replace(/^#/, "").split(/\?(.*)/s);
  const [, kind = "", ...rest] = path.split("/");
  const parameters = new URLSearchParams(query);
  return {
    kind: KINDS.includes(kind) ? kind : "start",
    name: rest.length ? decoded(rest.join("/")) : null,
    revision: parameters.get("rev"),
    args: parameters.has("args") ? fromBase64(parameters.get("args")) : undefined,
    parameters,
  };
}

/** The fragment of a place, the reverse of `parse`. */
export function format({ kind, name = null, revision = null, args = undefined, ...others }) {
  const query = new URLSearchParams();
  if (revision) query.set("rev", revision);
  if (args !== undefined) query.set("args", toBase64(args));
  for (const [key, value] of Object.entries(others)) if (value !== null && value !== undefined) query.set(key, value);
  const text = query.toString();
  return `#/${kind}${name === null ? "" : `/${encodeURIComponent(name)}`}${text && `?${text}`}`;
}

/** A fragment with this parameter instead of what it has; null removes it. */
export function withParameter(fragment, name, value) {
  const [path, query = ""] = fragment.split(/\?(.*)/s);
  const parameters = new URLSearchParams(query);
  if (value === null) parameters.delete(name);
  else parameters.set(name, value);
  const text = parameters.toString();
  return `${path || "#/start"}${text && `?${text}`}`;
}

/** JSON as BASE64URL of its UTF-8, without padding. */
export function toBase64(value) {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The reverse; undefined if the text is no such thing. */
export function fromBase64(text) {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
