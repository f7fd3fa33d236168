/** What the error codes of JSON-RPC and MCP mean, and where the specification says so. */

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
  [-32021, ["Missing client capability", "The request needs something that the client has not declared.", "basic, 2026-07-28", "2026-07-28/basic"]],
  [-32022, ["Unsupported protocol version", "The server does not speak this revision; the data list those that it does.", "basic/versioning, 2026-07-28", "2026-07-28/basic/versioning"]],
  [-32042, ["URL elicitation required", "A page has to be visited before the call can succeed.", "client/elicitation, “URL Elicitation Required Error”", "2025-11-25/client/elicitation#url-elicitation-required-error"]],
]);

/**
 * Explain a code.
 *
 * @returns {{title: string, meaning: string, section: string, url: string}}
 */
export function explain(code) {
  const [title, meaning, section, path] = CODES.get(code) ?? [code <= -32000 && code >= -32099 ? "Server error" : "Error", "A code of this server’s own.", ...JSON_RPC];
  return { title, meaning, section, url: path.startsWith("https:") ? path : SPECIFICATION + path };
}
