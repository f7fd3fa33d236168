/**
 * Divides JSON, HTTP heads and event streams into coloured pieces: `[{kind, text}]`, which together are the text.
 *
 * Kinds: key, string, number, literal, mark (punctuation), name (of a header or field), method, status, comment
 * and text; and `fold` for a string too long to show, with `summary` (what stands in its place) and, if it is
 * the Base64 of a picture or a sound, `media` (a `data:` URL) and `type`.
 */

export const MAX_STRING_LENGTH = 160;
const KEPT = 60;

const JSON_TOKEN = /("(?:[^"\\\n]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b|([{}[\],:])/g;
const BASE64 = /^[A-Za-z0-9+/]{32,}={0,2}$/;

const MAGIC = [
  ["iVBORw0KGgo", "PNG", "image/png"],
  ["/9j/", "JPEG", "image/jpeg"],
  ["R0lGOD", "GIF", "image/gif"],
  ["UklGR", "WAV", "audio/wav"],
  ["SUQz", "MP3", "audio/mpeg"],
  ["H4sI", "gzip", "application/gzip"],
  ["JVBERi0", "PDF", "application/pdf"],
  ["UEsDB", "ZIP", "application/zip"],
];

/** JSON laid out over several lines; what is no JSON stays as it is. */
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** What a Base64 text holds: `{name, type, bytes}`, or null if it is none that is worth folding. */
export function describeBase64(text) {
  if (text.length % 4 !== 0 || !BASE64.test(text)) return null;
  const known = MAGIC.find(([start]) => text.startsWith(start));
  if (!known && (text.length < MAX_STRING_LENGTH || !/[0-9+/]/.test(text))) return null;
  const bytes = (text.length / 4) * 3 - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0);
  const [, name, type] = known ?? [null, "Base64", "application/octet-stream"];
  return { name, type, bytes };
}

function stringToken(text) {
  const value = text.slice(1, -1);
  const data = /^data:([\w/+.-]+);base64,(.+)$/.exec(value);
  const described = describeBase64(data ? data[2] : value);
  if (described) {
    const type = data ? data[1] : described.type;
    const token = { kind: "fold", text, summary: `${described.name}, ${described.bytes.toLocaleString("en")} bytes`, type };
    return /^(image|audio)\//.test(type) ? { ...token, media: `data:${type};base64,${data ? data[2] : value}` } : token;
  }
  if (value.length <= MAX_STRING_LENGTH) return { kind: "string", text };
  return { kind: "fold", text, summary: `"${value.slice(0, KEPT)}…" ${value.length.toLocaleString("en")} characters` };
}

/** Pieces of a JSON text; what is no JSON becomes plain text. */
export function json(text) {
  const tokens = [];
  let end = 0;
  for (const match of text.matchAll(JSON_TOKEN)) {
    if (match.index > end) tokens.push({ kind: "text", text: text.slice(end, match.index) });
    end = match.index + match[0].length;
    const [, string, colon, number, literal, mark] = match;
    if (colon !== undefined) tokens.push({ kind: "key", text: string }, { kind: "mark", text: colon });
    else if (string !== undefined) tokens.push(stringToken(string));
    else if (number !== undefined) tokens.push({ kind: "number", text: number });
    else if (literal !== undefined) tokens.push({ kind: "literal", text: literal });
    else tokens.push({ kind: "mark", text: mark });
  }
  if (end < text.length) tokens.push({ kind: "text", text: text.slice(end) });
  return tokens;
}

/** Pieces of a body: JSON is laid out and coloured, forms get a line for each field, the rest is plain. */
export function body(text) {
  const start = text.trimStart()[0];
  if (start === "{" || start === "[") return json(pretty(text));
  if (/^[\w.-]+=[^\s&]*(&[\w.-]+=[^\s&]*)*$/.test(text)) return form(text);
  return [{ kind: "text", text }];
}

function form(text) {
  return text.split("&").flatMap((field, index) => {
    const [name, value] = [field.slice(0, field.indexOf("=")), field.slice(field.indexOf("=") + 1)];
    const before = index === 0 ? [] : [{ kind: "mark", text: "\n&" }];
    return [...before, { kind: "key", text: name }, { kind: "mark", text: "=" }, { kind: "string", text: value }];
  });
}

/** Pieces of one header. */
export function headerLine(name, value) {
  return [{ kind: "name", text: name }, { kind: "mark", text: ": " }, { kind: "string", text: value }];
}

/** Pieces of the head of a request or of a response: its first line, then a header a line. */
export function head(text) {
  const [first, ...lines] = text.split("\n");
  const tokens = /^(HTTP\/|\d{3} )/.test(first) ? statusLine(first) : requestLine(first);
  for (const line of lines) {
    tokens.push({ kind: "text", text: "\n" });
    const colon = line.indexOf(": ");
    tokens.push(...(colon > 0 ? headerLine(line.slice(0, colon), line.slice(colon + 2)) : [{ kind: "text", text: line }]));
  }
  return tokens.filter((token) => token.text !== "");
}

function statusLine(line) {
  const [, version, status] = /^(HTTP\/\S+ )?(.*)$/.exec(line);
  return [{ kind: "mark", text: version ?? "" }, { kind: "status", text: status }];
}

function requestLine(line) {
  const [method, path = "", version = ""] = line.split(" ");
  return [
    { kind: "method", text: method },
    { kind: "text", text: path && ` ${path}` },
    { kind: "mark", text: version && ` ${version}` },
  ];
}

/** Pieces of one event of a stream, laid out as it was sent: `{id, event, retry, data, comment}`. */
export function event({ id, event: type, retry, data, comment }) {
  const lines = [];
  if (comment !== undefined) lines.push([{ kind: "comment", text: `: ${comment}` }]);
  if (id !== undefined) lines.push(headerLine("id", id));
  if (type !== undefined) lines.push(headerLine("event", type));
  if (retry !== undefined) lines.push(headerLine("retry", String(retry)));
  if (data !== undefined) lines.push([{ kind: "name", text: "data" }, { kind: "mark", text: ": " }, ...body(data)]);
  return lines.flatMap((line, index) => (index === 0 ? line : [{ kind: "text", text: "\n" }, ...line]));
}

/** Pieces of an exchange as the tour writes it: a head, an empty line, and a body or the events of a stream. */
export function exchange(text) {
  const gap = text.indexOf("\n\n");
  if (gap < 0) return head(text);
  const [top, rest] = [text.slice(0, gap), text.slice(gap + 2)];
  return [...head(top), { kind: "text", text: "\n\n" }, ...stream(rest)];
}

/** Pieces of a body that may be an event stream. */
export function stream(text) {
  const field = /^(id|event|retry|data):( ?)/gm;
  if (!/^(id|event|retry|data):/.test(text)) return json(text);
  const tokens = [];
  let end = 0;
  for (const match of text.matchAll(field)) {
    if (match.index > end) tokens.push(...json(text.slice(end, match.index)));
    tokens.push({ kind: "name", text: match[1] }, { kind: "mark", text: `:${match[2]}` });
    end = match.index + match[0].length;
  }
  return [...tokens, ...json(text.slice(end))];
}
