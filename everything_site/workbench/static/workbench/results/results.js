/** Results shown as what they are: text, pictures, sound, resources, structured content, errors. */

import { bytesOf, essence, fileName, hexDump, isAudio, isImage, size } from "../base/data.js";
import { fill, h } from "../base/dom.js";
import { save } from "../base/files.js";
import { stringify } from "../base/json.js";
import { check } from "../forms/validity.js";
import { explain } from "../protocol/errors.js";
import { tree, viewer } from "./tree.js";

const MAX_ERRORS = 5;
const LONG_TEXT = 1500; // scrolls within its own frame

/**
 * The result of `tools/call`.
 *
 * @param {Object} result
 * @param {Object} [how]
 * @param {Object} [how.tool] Its `outputSchema` judges the structured content.
 * @param {(uri: string) => Promise<Object>} [how.read] Reads a resource: the result of `resources/read`.
 * @returns {HTMLElement}
 */
export function renderResult(result, { tool, read } = {}) {
  const content = Array.isArray(result?.content) ? result.content : [];
  const verdict = structured(result ?? {}, tool);
  return h(
    "div",
    { class: "result", dataset: { error: String(result?.isError === true) } },
    result?.isError ? h("p", { class: "result-error-title" }, h("strong", {}, "The tool failed."), " This is not a protocol error: the model reads it and may try again.") : null,
    renderBlocks(content, { read }),
    content.length || verdict ? null : h("p", { class: "result-none" }, "The result has no content."),
    verdict,
    meta(result?._meta),
  );
}

/**
 * The result of `resources/read`.
 *
 * @param {Object} result
 * @param {{read?: Function, openApp?: () => void}} [how] `openApp` shows the resource as an app, if it is one.
 */
export function renderResource(result, how = {}) {
  const contents = result?.contents ?? [];
  return h("div", { class: "result" }, contents.length ? contents.map((one) => contentsCard(one, how)) : h("p", { class: "result-none" }, "The resource has no contents."), caching(result), meta(result?._meta));
}

/** The result of `prompts/get`: who says what. */
export function renderPrompt(result, { read } = {}) {
  return h(
    "div",
    { class: "result" },
    result?.description ? h("p", {}, result.description) : null,
    h("ol", { class: "conversation" }, (result?.messages ?? []).map(({ role, content }) => h("li", { dataset: { role } }, h("span", { class: "badge" }, role), h("div", {}, renderBlocks([content].flat(), { read }))))),
    meta(result?._meta),
  );
}

/** A JSON-RPC error: its code, or the HTTP status if that says more, what it means, and where the specification says so. */
export function renderError({ code, message, data, status } = {}, { method } = {}) {
  const { title, meaning, section, url } = explain(code, status);
  const pages = code === -32042 && Array.isArray(data?.elicitations) ? data.elicitations : [];
  return h(
    "div",
    { class: "result protocol-error" },
    h("p", { class: "protocol-error-title" }, status >= 400 ? [h("code", {}, `HTTP ${status}`), " "] : null, h("code", {}, String(code ?? "no code")), " ", h("strong", {}, title), method ? [" of ", h("code", {}, method)] : null),
    h("p", { class: "result-text" }, message ?? ""),
    h("p", { class: "protocol-error-meaning" }, meaning, " ", h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, section)),
    pages.map((page) => h("p", { class: "question-target" }, page.message ? `${page.message} ` : "", h("code", {}, page.url), /^https?:/.test(page.url) ? h("a", { class: "button", href: page.url, target: "_blank", rel: "noopener noreferrer" }, "Open page") : null)),
    data === undefined || data === null || data === "" ? null : h("div", { class: "result-data" }, h("p", { class: "result-label" }, "Data"), typeof data === "object" ? viewer(data, "Data of the error") : h("pre", { tabIndex: 0 }, stringify(data))),
  );
}

/** Content blocks, each as what it is. */
export function renderBlocks(blocks, how = {}) {
  return blocks.map((block) => {
    const body = blockBody(block ?? {}, how);
    return h("div", { class: "block", dataset: { type: block?.type ?? "unknown" } }, body, chips(block?.annotations), meta(block?._meta));
  });
}

function blockBody(block, how) {
  switch (block.type) {
    case "text":
      return text(block.text);
    case "image":
      return picture(block.data, block.mimeType);
    case "audio":
      return sound(block.data, block.mimeType);
    case "resource_link":
      return link(block, how);
    case "resource":
      return contentsCard(block.resource ?? {}, how);
    case "tool_use":
      return [h("p", { class: "result-label" }, "Calls ", h("code", {}, block.name)), viewer(block.input ?? {}, "Arguments")];
    case "tool_result":
      return [h("p", { class: "result-label" }, block.isError ? "Tool failed" : "Tool returned"), renderBlocks(block.content ?? [], how)];
    default:
      return [h("p", { class: "result-label" }, `Unknown kind of content: ${block.type ?? "none"}`), viewer(block, "Content")];
  }
}

function text(content, mimeType = "") {
  const value = String(content ?? "");
  if (value === "") return h("p", { class: "result-none" }, "Empty text");
  const isJson = /^\s*[[{]/.test(value) && readable(value);
  const plain = h("div", { class: "result-text", ...(value.length > LONG_TEXT ? { tabIndex: 0, role: "group", "aria-label": "Text" } : {}), dataset: { code: String(Boolean(isJson) || (mimeType !== "" && mimeType !== "text/plain")) } }, value);
  if (!isJson) return plain;
  return h("details", { class: "result-json", open: true }, h("summary", {}, "Text that is JSON"), value.length < 400 ? plain : viewer(isJson, "Text"));
}

function readable(value) {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

const broken = (what) => h("p", { class: "field-error" }, `${what}: the data is not Base64.`);

function picture(data, mimeType) {
  const bytes = bytesOf(data ?? "");
  if (!bytes) return broken("Picture");
  const caption = h("figcaption", {}, `${essence(mimeType) || "image"} · ${size(bytes.length)}`);
  if (!isImage(mimeType)) return h("figure", { class: "picture" }, caption, download(bytes, "", mimeType));
  const image = h("img", { alt: `Picture in the result, ${essence(mimeType)}` });
  image.addEventListener("load", () => {
    caption.textContent = `${essence(mimeType)} · ${image.naturalWidth} × ${image.naturalHeight} · ${size(bytes.length)}`;
    if (image.naturalWidth <= 64) image.classList.add("tiny");
  });
  image.addEventListener("error", () => image.replaceWith(broken("Picture that cannot be shown")));
  load(image, bytes, mimeType);
  return h("figure", { class: "picture" }, h("div", { class: "checkered" }, image), caption);
}

function sound(data, mimeType) {
  const bytes = bytesOf(data ?? "");
  if (!bytes) return broken("Sound");
  const player = h("audio", { controls: true, preload: "metadata" });
  const caption = h("figcaption", {}, `${essence(mimeType)} · ${size(bytes.length)}`);
  load(player, bytes, mimeType);
  player.addEventListener("loadedmetadata", () => Number.isFinite(player.duration) && (caption.textContent = `${essence(mimeType)} · ${player.duration.toFixed(1)} s · ${size(bytes.length)}`));
  return h("figure", { class: "sound" }, player, caption);
}

/** URLs of the page's own, given back when the elements that show them are gone. */
const urls = new FinalizationRegistry((url) => URL.revokeObjectURL(url));

function load(element, bytes, mimeType) {
  const url = URL.createObjectURL(new Blob([bytes], { type: essence(mimeType) }));
  urls.register(element, url);
  element.src = url;
}

function download(bytes, uri, mimeType) {
  const name = fileName(uri, mimeType);
  const blob = () => new Blob([bytes], { type: "application/octet-stream" }); // never opened as a page
  return h("button", { type: "button", onclick: () => save(name, blob()) }, "Download", h("span", { class: "hidden" }, ` ${name}`));
}

function contentsCard({ uri, mimeType, text: content, blob, _meta }, how) {
  const isApp = how.openApp && String(mimeType).replaceAll(" ", "") === "text/html;profile=mcp-app";
  const open = isApp ? h("button", { type: "button", onclick: how.openApp }, "Open as an app") : null;
  const head = h("p", { class: "resource-head" }, h("code", { class: "resource-uri" }, uri ?? "no URI"), mimeType ? h("span", { class: "badge" }, mimeType) : null, open);
  let body;
  if (typeof content === "string") {
    body = [text(content, essence(mimeType)), h("p", { class: "resource-foot" }, size(new TextEncoder().encode(content).length), download(new TextEncoder().encode(content), uri, mimeType))];
  } else {
    const bytes = bytesOf(blob ?? "");
    if (!bytes) body = broken("Contents");
    else if (isImage(mimeType)) body = [picture(blob, mimeType), h("p", { class: "resource-foot" }, download(bytes, uri, mimeType))];
    else if (isAudio(mimeType)) body = [sound(blob, mimeType), h("p", { class: "resource-foot" }, download(bytes, uri, mimeType))];
    else body = [h("pre", { class: "hex", tabIndex: 0, "aria-label": "The first bytes" }, hexDump(bytes) || "no bytes"), h("p", { class: "resource-foot" }, size(bytes.length), download(bytes, uri, mimeType))];
  }
  return h("div", { class: "resource" }, head, body, meta(_meta));
}

function link({ uri, name, title, description, mimeType, size: bytes }, { read }) {
  const shown = h("div", { class: "resource-read", "aria-live": "polite" });
  const button = h("button", { type: "button" }, "Read", h("span", { class: "hidden" }, ` ${title ?? name ?? uri}`));
  button.addEventListener("click", async () => {
    button.disabled = true;
    fill(shown, h("p", { class: "result-none" }, "Reading…"));
    try {
      fill(shown, renderResource(await read(uri), { read }));
    } catch (error) {
      fill(shown, renderError(error, { method: "resources/read" }));
    } finally {
      button.disabled = false;
    }
  });
  return h(
    "div",
    { class: "resource" },
    h("p", { class: "resource-head" }, h("strong", {}, title ?? name ?? uri), mimeType ? h("span", { class: "badge" }, mimeType) : null, bytes === undefined ? null : h("span", { class: "resource-size" }, size(bytes)), read ? button : null),
    h("p", { class: "resource-foot said" }, h("code", { class: "resource-uri" }, uri), description ? ` ${description}` : ""),
    shown,
  );
}

function chips(annotations) {
  if (!annotations || typeof annotations !== "object") return null;
  const { audience, priority, lastModified } = annotations;
  const words = [
    ...(Array.isArray(audience) ? audience.map((who) => `for ${who}`) : []),
    ...(priority === undefined ? [] : [`priority ${priority}`]),
    ...(lastModified ? [`changed ${lastModified}`] : []),
  ];
  return words.length ? h("ul", { class: "chips", "aria-label": "Annotations" }, words.map((word) => h("li", { class: "badge" }, word))) : null;
}

function meta(value) {
  if (!value || typeof value !== "object" || !Object.keys(value).length) return null;
  return h("details", { class: "result-meta" }, h("summary", {}, "_meta"), tree(value));
}

function caching(result) {
  if (result?.ttlMs === undefined && result?.cacheScope === undefined) return null;
  return h("p", { class: "resource-foot" }, `May be cached for ${result.ttlMs ?? 0} ms${result.cacheScope ? ` (${result.cacheScope})` : ""}.`);
}

function structured(result, tool) {
  const schema = tool?.outputSchema;
  const has = Object.hasOwn(result, "structuredContent");
  if (!has && (!schema || result.isError)) return null;
  if (!has) return h("section", { class: "structured" }, h("p", { class: "verdict", dataset: { verdict: "bad" } }, "✕ The tool has an outputSchema, but the result has no structuredContent."));
  let verdict = h("p", { class: "verdict" }, "The tool has no outputSchema to check this against.");
  if (schema) {
    const { errors, fault } = check(schema, result.structuredContent);
    if (fault) verdict = h("p", { class: "verdict", dataset: { verdict: "bad" } }, `✕ ${fault}`);
    else if (!errors.length) verdict = h("p", { class: "verdict", dataset: { verdict: "good" } }, "✓ Matches the tool’s outputSchema");
    else
      verdict = h(
        "div",
        { class: "verdict", dataset: { verdict: "bad" } },
        h("p", {}, `✕ Does not match the tool’s outputSchema${result.isError ? ", which is fine for an error" : ""}`),
        h("ul", {}, errors.slice(0, MAX_ERRORS).map(({ path, message }) => h("li", {}, h("code", {}, path || "/"), ` ${message}`))),
      );
  }
  return h("section", { class: "structured", "aria-label": "Structured content" }, h("div", { class: "structured-head" }, h("p", { class: "result-label" }, "Structured content"), verdict), viewer(result.structuredContent, "Structured content"));
}
