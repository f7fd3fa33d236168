/**
 * What an exchange says: its JSON-RPC messages, what it is called, what it belongs to, what is wrong with it.
 * Pure functions of recorded exchanges (recording.js).
 */

const SIGN_IN = /^\/(authorize|token|register|revoke|introspect|\.well-known)(\/|\?|$)/;
const OPENING = new Set(["initialize", "notifications/initialized", "server/discover", "ping"]);

/** The value of a header, or null. */
function value(headers, name) {
  return (headers ?? []).find(([key]) => key.toLowerCase() === name)?.[1] ?? null;
}

/** JSON, or undefined if the text is none. */
export function parsed(text) {
  if (typeof text !== "string" || text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function messagesIn(text) {
  const document = parsed(text);
  const list = Array.isArray(document) ? document : [document];
  return list.filter((one) => one !== null && typeof one === "object" && one.jsonrpc === "2.0");
}

/** The JSON-RPC messages of a request's body: one, several in a batch, or none. */
export function sent(request) {
  return messagesIn(request.body);
}

/** The JSON-RPC messages that came back, in order: `{message, at, event}`, `event` being the index or null. */
export function received(exchange) {
  const { response } = exchange;
  if (!response) return [];
  const plain = messagesIn(response.body).map((message) => ({ message, at: response.at, event: null }));
  const streamed = response.events.flatMap((event, index) =>
    messagesIn(event.data).map((message) => ({ message, at: event.at, event: index })),
  );
  return [...plain, ...streamed];
}

/** request, notification, result, error or other. */
export function kindOf(message) {
  if (message && typeof message === "object") {
    if ("method" in message) return "id" in message ? "request" : "notification";
    if ("error" in message) return "error";
    if ("result" in message) return "result";
  }
  return "other";
}

/** What a message is about: the tool, the prompt, the resource, the task. */
export function subjectOf(message) {
  const params = message?.params ?? {};
  const named = params.name ?? params.uri ?? params.taskId ?? params.level ?? params.ref?.name ?? params.ref?.uri;
  return typeof named === "string" ? named : "";
}

export function isStream(exchange) {
  return (value(exchange.response?.headers, "content-type") ?? "").startsWith("text/event-stream");
}

/** The heading of an exchange: `{method, subject}`, such as tools/call and add, or GET and the path. */
export function titleOf(exchange) {
  const { request } = exchange;
  const messages = sent(request);
  if (messages.length > 1) return { method: `batch of ${messages.length}`, subject: messages.map((one) => one.method).join(", ") };
  const [message] = messages;
  if (message?.method) return { method: message.method, subject: subjectOf(message) };
  if (message) return { method: kindOf(message) === "error" ? "error" : "answer", subject: `to ${JSON.stringify(message.id)}` };
  if (request.method === "GET" && value(request.headers, "last-event-id") !== null) {
    return { method: "GET resume", subject: `from ${value(request.headers, "last-event-id")}` };
  }
  return { method: request.method, subject: request.path.split("?")[0] };
}

/** What an event of a stream says: `{label, tone}`; tones: event, question, ok, error, muted. */
export function eventTitle(event) {
  if (event.comment !== undefined) return { label: `: ${event.comment}`, tone: "muted" };
  const [message] = messagesIn(event.data);
  if (!message) {
    if (!event.data) return { label: event.retry !== undefined ? `retry ${event.retry} ms` : "priming event", tone: "muted" };
    return { label: event.event && event.event !== "message" ? `${event.event} ${event.data}` : event.data, tone: "event" };
  }
  const kind = kindOf(message);
  if (kind === "request") return { label: message.method, tone: "question" };
  if (kind === "error") return { label: `error ${message.error?.code ?? ""}: ${message.error?.message ?? ""}`, tone: "error" };
  if (kind === "result") {
    if (message.result?.isError) return { label: "result, the tool failed", tone: "error" };
    return { label: message.result?.resultType === "input_required" ? "input required" : "result", tone: "ok" };
  }
  return { label: notificationLabel(message), tone: "event" };
}

function notificationLabel({ method, params = {} }) {
  const short = method.replace(/^notifications\//, "");
  if (short === "progress") {
    const total = params.total === undefined ? "" : `/${params.total}`;
    return `progress ${params.progress}${total}${params.message ? ` · ${params.message}` : ""}`;
  }
  if (short === "message") return `log ${params.level ?? ""}`;
  if (params.status) return `${short} ${params.status}`;
  return params.uri ? `${short} ${params.uri}` : short;
}

/** Whether an exchange went wrong, in HTTP, in JSON-RPC or in a tool. */
export function hasFailed(exchange) {
  if (exchange.error) return true;
  if ((exchange.response?.status ?? 0) >= 400) return true;
  return received(exchange).some(({ message }) => kindOf(message) === "error" || message.result?.isError === true);
}

/** Sign-in, Session, Calls or Listening. */
export function laneOf(request) {
  if (SIGN_IN.test(pathOf(request.path))) return "Sign-in";
  if (request.method === "DELETE") return "Session";
  if (request.method === "GET") return value(request.headers, "last-event-id") === null ? "Listening" : "Calls";
  const [message] = sent(request);
  if (message?.method === "subscriptions/listen") return "Listening";
  return message && OPENING.has(message.method) ? "Session" : "Calls";
}

function pathOf(path) {
  return path.replace(/^https?:\/\/[^/]+/, "");
}

/** The exchange to which a new request belongs, or null. */
export function parentOf(exchanges, request) {
  const last = value(request.headers, "last-event-id");
  if (last !== null) return exchanges.findLast((one) => one.response?.events.some((event) => event.id === last)) ?? null;
  const [message] = sent(request);
  if (!message) return null;
  if (!("method" in message)) return exchanges.findLast((one) => asks(one, message.id)) ?? null;
  if (message.method === "notifications/cancelled") {
    return exchanges.findLast((one) => sent(one.request).some(({ id, method }) => method && id === message.params?.requestId)) ?? null;
  }
  return "inputResponses" in (message.params ?? {}) ? earlierRound(exchanges, message) : null;
}

function asks(exchange, id) {
  return received(exchange).some(({ message }) => kindOf(message) === "request" && message.id === id);
}

function earlierRound(exchanges, message) {
  const subject = subjectOf(message);
  return exchanges.findLast((one) => sent(one.request).some((earlier) => subject !== "" && subjectOf(earlier) === subject && isAsked(one, earlier))) ?? null;
}

function isAsked(exchange, earlier) {
  const isTask = earlier.method === "tasks/get" || earlier.method === "subscriptions/listen";
  return isTask || received(exchange).some(({ message }) => message.result?.resultType === "input_required");
}

/** Exchanges as a forest: `[{exchange, children}]`, each with its questions, answers and resumptions beneath it. */
export function forest(exchanges) {
  const nodes = new Map(exchanges.map((exchange) => [exchange.id, { exchange, children: [] }]));
  const roots = [];
  for (const node of nodes.values()) {
    const parent = node.exchange.parent === null ? undefined : nodes.get(node.exchange.parent);
    (parent && parent !== node ? parent.children : roots).push(node);
  }
  return roots;
}

/** In 2026-07-28 some headers repeat the body: those that do not agree with it, `[{name, header, body}]`. */
export function disagreements({ request }) {
  const [message] = sent(request);
  const expected = {
    "mcp-method": message?.method,
    "mcp-name": message?.params?.name ?? message?.params?.uri ?? message?.params?.taskId,
    "mcp-protocol-version": message?.params?._meta?.["io.modelcontextprotocol/protocolVersion"],
  };
  return Object.entries(expected).flatMap(([name, body]) => {
    const header = value(request.headers, name);
    return header === null || typeof body !== "string" || header === body ? [] : [{ name, header, body }];
  });
}

/** A `WWW-Authenticate` challenge as `{scheme, parameters: [[name, value]]}`. */
export function challenge(text) {
  const [, scheme, rest] = /^(\S+)\s*(.*)$/s.exec(text) ?? [null, text, ""];
  const parameters = [...rest.matchAll(/([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g)];
  return { scheme, parameters: parameters.map(([, name, quoted, bare]) => [name, quoted?.replace(/\\(.)/g, "$1") ?? bare]) };
}
