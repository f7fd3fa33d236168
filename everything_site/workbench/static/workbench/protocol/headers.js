/** The request headers of the protocol, by revision. */

import { ExactNumber } from "../base/json.js";
import { hasVersionHeader, isStateless } from "./revisions.js";

/** The parameter of a method that the header `Mcp-Name` repeats (2026-07-28, and SEP-2663 for tasks). */
const NAMED_BY = {
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
  "skills/get": "uri",
  "resources/directory/read": "uri",
  "tasks/get": "taskId",
  "tasks/update": "taskId",
  "tasks/cancel": "taskId",
};

/** A value as it may stand in a header: unchanged, or in Base64 between markers (2026-07-28, Custom Headers). */
export function encoded(value) {
  const isPlain = /^[\x20-\x7e]*$/.test(value) && value === value.trim() && !/^=\?base64\?.*\?=$/.test(value);
  if (isPlain) return value;
  return `=?base64?${btoa(String.fromCharCode(...new TextEncoder().encode(value)))}?=`;
}

/** The parameters that a schema wants repeated: `[{path, header}]`, `path` being the keys that lead to the value. */
export function mirrored(schema, path = []) {
  return Object.entries(schema?.properties ?? {}).flatMap(([key, property]) => {
    const here = [...path, key];
    const header = property?.["x-mcp-header"];
    return [...(typeof header === "string" ? [{ path: here, header }] : []), ...mirrored(property, here)];
  });
}

/** `Mcp-Param-*` for the arguments of a call. Absent and null arguments have none. */
export function parameterHeaders(schema, args) {
  const headers = {};
  for (const { path, header } of mirrored(schema)) {
    const value = path.reduce((inner, key) => inner?.[key], args);
    const isStructured = typeof value === "object" && !(value instanceof ExactNumber);
    if (value === undefined || value === null || isStructured) continue;
    headers[`Mcp-Param-${header}`] = encoded(String(value));
  }
  return headers;
}

/**
 * The headers of a message that is posted.
 *
 * @param {string} revision
 * @param {Object|Array} message
 * @param {{token?: string|null, sessionId?: string|null, schema?: Object}} context `schema` is the input schema of the
 *   tool that the message calls.
 */
export function headersFor(revision, message, { token = null, sessionId = null, schema = null } = {}) {
  const headers = { Accept: "application/json, text/event-stream", "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (isStateless(revision)) {
    headers["MCP-Protocol-Version"] = revision;
    if (message.method) headers["Mcp-Method"] = message.method;
    const name = message.params?.[NAMED_BY[message.method]];
    if (typeof name === "string") headers["Mcp-Name"] = encoded(name);
    if (message.method === "tools/call") Object.assign(headers, parameterHeaders(schema, message.params?.arguments));
    return headers;
  }
  if (sessionId) {
    headers["Mcp-Session-Id"] = sessionId;
    if (hasVersionHeader(revision)) headers["MCP-Protocol-Version"] = revision;
  }
  return headers;
}
