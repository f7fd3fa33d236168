/**
 * Exchanges for use elsewhere: a curl line, a block of Python, a HAR file.
 *
 * The curl line and the Python read the access token from the environment variable MCP_TOKEN. Other secrets are
 * replaced, unless `secrets` is true.
 */

import { isStream, sent } from "../protocol/messages.js";
import { SecretMask } from "./secrets.js";

/** Headers that a client adds by itself, and those that only a browser sends. */
const OWN = /^(host|connection|content-length|accept-encoding|user-agent|origin|referer|sec-.*)$/i;

const base = () => globalThis.location?.origin ?? "";

function urlOf(request, origin) {
  return /^https?:/.test(request.path) ? request.path : origin + request.path;
}

/** The request without secrets, but for a bearer token, which becomes null. */
function prepared(exchange, secrets) {
  const { request } = exchange;
  const mask = new SecretMask(secrets ? { exchanges: [] } : { exchanges: [{ request, response: null }] });
  const headers = request.headers.filter(([name]) => !OWN.test(name)).map(([name, value]) => [name, credentials(name, value, mask)]);
  return { method: request.method, path: mask.text(request.path), headers, body: request.body === null ? null : mask.text(request.body) };
}

function credentials(name, value, mask) {
  if (/^authorization$/i.test(name) && /^Bearer\s/i.test(value)) return null;
  return mask.text(value);
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** A word for a shell, quoted only if it has to be. */
const word = (text) => (/^[\w-]+$/.test(text) ? text : quoted(text));

/**
 * A curl line that makes the request of an exchange.
 *
 * @param exchange A recorded exchange.
 * @param {{origin?: string, secrets?: boolean}} options `origin` stands before paths.
 */
export function curl(exchange, { origin = base(), secrets = false } = {}) {
  const request = prepared(exchange, secrets);
  const streams = isStream(exchange) || request.headers.some(([name, value]) => name.toLowerCase() === "accept" && value === "text/event-stream");
  const url = urlOf(request, origin);
  const globoff = /[[\]{}]/.test(url) ? "--globoff" : null; // or curl requests every URL that the brackets stand for
  const start = ["curl", streams ? "-N" : "-i", globoff, ["GET", "POST"].includes(request.method) ? null : `-X ${word(request.method)}`, quoted(url)];
  const lines = [start.filter(Boolean).join(" ")];
  if (request.method === "POST" && request.body === null) lines[0] = lines[0].replace("curl", "curl -X POST");
  for (const [name, value] of request.headers) {
    if (value === null) lines.push(`-H "${name}: Bearer $MCP_TOKEN"`);
    else lines.push(value === "" ? `-H ${quoted(`${name};`)}` : `-H ${quoted(`${name}: ${value}`)}`);
  }
  if (request.body !== null) lines.push(`--data-raw ${quoted(request.body)}`);
  return lines.join(" \\\n  ");
}

const HANDLED = {
  "tools/list": () => "client.list_tools()",
  "prompts/list": () => "client.list_prompts()",
  "resources/list": ({ cursor }) => `client.list_resources(${cursor === undefined ? "" : `cursor=${literal(cursor)}`})`,
  "resources/templates/list": () => "client.list_resource_templates()",
  "resources/read": ({ uri }) => `client.read_resource(${literal(uri)})`,
  "prompts/get": ({ name, arguments: given }) => `client.get_prompt(${literal(name)}, ${literal(given ?? {})})`,
  "tools/call": ({ name, arguments: given }) => `client.call_tool(${literal(name)}, ${literal(given ?? {})})`,
};
const PARAMETERS = { "resources/list": ["cursor"], "resources/read": ["uri"], "prompts/get": ["name", "arguments"], "tools/call": ["name", "arguments"] };

/**
 * A block of Python that makes the request of an exchange: with the SDK if it is an ordinary call that a client
 * would make, otherwise byte for byte with httpx2, which comes with the SDK.
 */
export function python(exchange, { origin = base(), secrets = false } = {}) {
  const request = prepared(exchange, secrets);
  const call = ordinaryCall(request, exchange.response);
  return call ? withSdk(request, exchange.revision, call, origin) : withHttp(request, isStream(exchange), origin);
}

/** The SDK's expression for an exchange, or null if it has none or the server refused the request. */
function ordinaryCall(request, response) {
  const messages = sent(request);
  if (messages.length !== 1 || request.body.trimStart().startsWith("[") || (response?.status ?? 200) >= 400) return null;
  const [{ id, method, params = {} }] = messages;
  const names = Object.keys(params).filter((name) => name !== "_meta");
  const isKnown = id !== undefined && Object.hasOwn(HANDLED, method) && names.every((name) => PARAMETERS[method]?.includes(name));
  return isKnown && keepsNumbers(request.body) ? HANDLED[method](params) : null;
}

/** Whether no number changes when JavaScript reads and writes it. */
function keepsNumbers(text) {
  const outside = text.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  return (outside.match(/-?\d[\d.eE+-]*/g) ?? []).every((number) => String(Number(number)) === number);
}

/** A JSON value as Python writes it. */
function literal(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, one]) => `${literal(key)}: ${literal(one)}`).join(", ")}}`;
  return JSON.stringify(value);
}

function withSdk(request, revision, call, origin) {
  const own = request.headers.find(([name]) => name.toLowerCase() === "mcp-protocol-version")?.[1];
  const mode = (revision ?? own ?? "") >= "2026" ? (revision ?? own) : "legacy";
  return `import asyncio
import os

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main():
    headers = {"Authorization": "Bearer " + os.environ["MCP_TOKEN"]}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(${literal(urlOf(request, origin))}, http_client=http), mode=${literal(mode)}) as client,
    ):
        print(await ${call})


asyncio.run(main())
`;
}

function withHttp(request, isStreamed, origin) {
  const headers = request.headers.map(([name, value]) => `    ${literal(name)}: ${value === null ? '"Bearer " + os.environ["MCP_TOKEN"]' : literal(value)},\n`);
  const content = request.body === null ? "" : `body = ${literal(request.body)}\n`;
  const more = request.body === null ? "" : ", content=body.encode()";
  const target = `${literal(request.method)}, ${literal(urlOf(request, origin))}, headers=headers${more}, timeout=60`;
  const needsToken = request.headers.some(([, value]) => value === null);
  return `${needsToken ? "import os\n\n" : ""}import httpx2

headers = {
${headers.join("")}}
${content}
with httpx2.stream(${target}) as response:
    print(response.status_code, response.headers.get("content-type", ""))
    for line in response.iter_lines():
        print(line)
${isStreamed ? "# The lines of an event stream appear as they arrive.\n" : ""}`;
}

/** The events of a stream as they were on the wire. */
export function eventText(events) {
  return events.map(({ comment, id, event, retry, data }) => {
    const lines = [];
    if (comment !== undefined) lines.push(`: ${comment}`);
    if (id !== undefined) lines.push(`id: ${id}`);
    if (event !== undefined) lines.push(`event: ${event}`);
    if (retry !== undefined) lines.push(`retry: ${retry}`);
    if (data !== undefined) lines.push(...data.split("\n").map((line) => `data: ${line}`));
    return `${lines.join("\n")}\n\n`;
  }).join("");
}

/**
 * A recording as HAR 1.2. The events of a stream are in `content.text`, and with their times in `_events`.
 *
 * @param recording A Recording, or the JSON of one.
 * @param {{origin?: string, secrets?: boolean}} options Without `secrets`, tokens, codes and the like are replaced.
 */
export function har(recording, { origin = base(), secrets = false } = {}) {
  const json = recording.toJSON?.() ?? recording;
  const { startedAt, exchanges } = secrets ? json : new SecretMask(json).apply(json);
  const entries = exchanges.map((exchange) => entry(exchange, startedAt ?? 0, origin));
  return { log: { version: "1.2", creator: { name: "Everything Server", version: "1" }, pages: [], entries } };
}

function entry(exchange, startedAt, origin) {
  const { request, response, at, endedAt } = exchange;
  const wait = Math.max(0, Math.round(((response?.at ?? endedAt ?? at) - at) * 1000));
  const receive = Math.max(0, Math.round(((endedAt ?? response?.at ?? at) - (response?.at ?? endedAt ?? at)) * 1000));
  const moment = (seconds) => new Date(startedAt + seconds * 1000).toISOString();
  return {
    startedDateTime: moment(at),
    time: wait + receive,
    request: harRequest(request, origin),
    response: harResponse(response),
    cache: {},
    timings: { send: 0, wait, receive },
    comment: exchange.note,
    _id: exchange.id,
    _parent: exchange.parent,
    _lane: exchange.lane,
    _servedBy: exchange.servedBy,
    _events: (response?.events ?? []).map(({ at: seconds, ...event }) => ({ time: moment(seconds), ...event })),
    _marks: (exchange.marks ?? []).map(({ at: seconds, ...mark }) => ({ time: moment(seconds), ...mark })),
  };
}

const harHeaders = (headers) => headers.map(([name, value]) => ({ name, value }));

function harRequest({ method, path, headers, body }, origin) {
  const url = urlOf({ path }, origin);
  const queryString = [...new URLSearchParams(url.split("#")[0].split("?")[1] ?? "")].map(([name, value]) => ({ name, value }));
  const type = headers.find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "application/json";
  const postData = body === null ? {} : { postData: { mimeType: type, text: body } };
  return { method, url, httpVersion: "HTTP/1.1", cookies: [], headers: harHeaders(headers), queryString, ...postData, headersSize: -1, bodySize: sizeOf(body) };
}

function harResponse(response) {
  const { status = 0, headers = [], body = null, events = [] } = response ?? {};
  const text = body ?? eventText(events);
  const find = (wanted) => headers.find(([name]) => name.toLowerCase() === wanted)?.[1] ?? "";
  return {
    status,
    statusText: "",
    httpVersion: "HTTP/1.1",
    cookies: [],
    headers: harHeaders(headers),
    content: { size: sizeOf(text), mimeType: find("content-type"), text },
    redirectURL: find("location"),
    headersSize: -1,
    bodySize: -1,
  };
}

function sizeOf(text) {
  return new TextEncoder().encode(text ?? "").length;
}
