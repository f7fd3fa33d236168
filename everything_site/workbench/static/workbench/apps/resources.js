/** What servers say about their MCP Apps (SEP-1865): which tool has one, what the app wants, its HTML. It knows no DOM. */

import { bytesOf } from "../base/data.js";

const TYPE = "text/html;profile=mcp-app";

/** The URI of a tool's app, or `null`. The flat key is deprecated, and still in use. */
export function appUri(tool) {
  const uri = tool?._meta?.ui?.resourceUri ?? tool?._meta?.["ui/resourceUri"];
  return typeof uri === "string" && uri.startsWith("ui://") ? uri : null;
}

/** Whether an app may call a tool: the default is that the model and apps both may. */
export function isVisibleToApps(tool) {
  const visibility = tool?._meta?.ui?.visibility;
  return !Array.isArray(visibility) || visibility.includes("app");
}

/** Whether the model sees a tool. */
export function isVisibleToModel(tool) {
  const visibility = tool?._meta?.ui?.visibility;
  return !Array.isArray(visibility) || visibility.includes("model");
}

/**
 * The HTML of an app.
 *
 * @param {Object} resource The result of `resources/read`.
 * @returns {{html?: string, ui: Object, fault?: string}} `ui` is the app's own `_meta.ui`; `fault` says why it cannot be shown.
 */
export function appHtml(resource) {
  const [contents] = resource?.contents ?? [];
  const ui = contents?._meta?.ui ?? {};
  if (!contents) return { ui, fault: "The app’s resource is empty." };
  if (!String(contents.uri).startsWith("ui://")) return { ui, fault: "An app’s URI begins with ui://." };
  if (String(contents.mimeType).replaceAll(" ", "") !== TYPE) return { ui, fault: `An app’s type is ${TYPE}, not ${contents.mimeType ?? "none"}.` };
  if (typeof contents.text === "string") return { ui, html: contents.text };
  const bytes = bytesOf(contents.blob ?? "");
  return bytes ? { ui, html: new TextDecoder().decode(bytes) } : { ui, fault: "The app’s resource has no HTML." };
}

/** What an app asks for beyond its own HTML, as sentences. Nothing of it is granted. */
export function wishes({ csp = {}, permissions = {} }) {
  const domains = ["connectDomains", "resourceDomains", "frameDomains", "baseUriDomains"].flatMap((key) => (Array.isArray(csp[key]) ? csp[key] : []));
  const wanted = Object.keys(permissions ?? {});
  const parts = [
    domains.length ? `It asks for ${[...new Set(domains)].join(", ")}; the frame requests nothing from any other server.` : "",
    wanted.length ? `It asks for ${wanted.join(", ")}, which is not granted.` : "",
  ];
  return parts.filter(Boolean).join(" ");
}
