/** What the error codes of JSON-RPC and MCP mean, and the statuses that say more than they do, with the section of the specification. */

const SPECIFICATION = "https://modelcontextprotocol.io/specification/";
const JSON_RPC = ["JSON-RPC 2.0, section 5.1", "https://www.jsonrpc.org/specification#error_object"];

const CODES = new Map([
  [-32700, ["Parse error", "The body was not JSON.", ...JSON_RPC]],
  [-32600, ["Invalid request", "The JSON was not a valid request.", ...JSON_RPC]],
  [-32601, ["Method not found", "The server does not have this method, or not at this revision.", ...JSON_RPC]],
  [-32602, ["Invalid params", "The parameters do not fit: an unknown name, a missing argument, or a wrong type.", ...JSON_RPC]],
  [-32603, ["Internal error", "The server failed; the request may be right.", ...JSON_RPC]],
  [-32002, ["Resource not found", "Nothing has this URI. Since 2026-07-28 the code is -32602.", "server/resources, “Error Handling”", "2025-11-25/server/resources#error-handling"]],
  [-32001, ["Session not found", "The session has ended or was never there: initialize again.", "basic/transports, “Session Management”", "2025-11-25/basic/transports#session-management"]],
  [-32020, ["Header mismatch", "A header says something other than the body.", "basic/transports, 2026-07-28", "2026-07-28/basic/transports"]],
  [-32021, ["Missing client capability", "The request needs a capability that the client has not declared.", "basic, 2026-07-28", "2026-07-28/basic"]],
  [-32022, ["Unsupported protocol version", "The server does not speak this revision; the data list those that it does.", "basic/versioning, 2026-07-28", "2026-07-28/basic/versioning"]],
  [-32042, ["URL elicitation required", "You have to visit a page before the call can succeed.", "client/elicitation, “URL Elicitation Required Error”", "2025-11-25/client/elicitation#url-elicitation-required-error"]],
]);

/** Statuses of HTTP that are about something other than the message, whose code then says little. */
const STATUSES = new Map([
  [401, ["Unauthorized", "The access token is missing, has expired or was revoked. The message itself may be right.", "basic/authorization, “Error Handling”", "2025-11-25/basic/authorization#error-handling"]],
  [403, ["Forbidden", "The token does not allow this: it lacks a scope, or the request comes from a page that may not ask.", "basic/authorization, “Error Handling”", "2025-11-25/basic/authorization#error-handling"]],
  [429, ["Too many requests", "A limit of this server is reached. Retry-After says when to try again.", "RFC 6585, section 4", "https://www.rfc-editor.org/rfc/rfc6585#section-4"]],
  [503, ["Service unavailable", "The server can’t answer now; the message itself may be right. Try again later.", "RFC 9110, section 15.6.4", "https://www.rfc-editor.org/rfc/rfc9110#section-15.6.4"]],
]);

/**
 * Explain a code.
 *
 * @param {number} code
 * @param {number} [status] The HTTP status that it came with.
 * @returns {{title: string, meaning: string, section: string, url: string}}
 */
export function explain(code, status) {
  const unknown = [code <= -32000 && code >= -32099 ? "Server error" : "Error", "A code of this server’s own.", ...JSON_RPC];
  const [title, meaning, section, path] = STATUSES.get(status) ?? CODES.get(code) ?? unknown;
  return { title, meaning, section, url: path.startsWith("https:") ? path : SPECIFICATION + path };
}
