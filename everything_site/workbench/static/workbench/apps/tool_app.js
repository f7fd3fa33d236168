/** The page of an app beside the result of its tool (MCP Apps, SEP-1865). */

import { h } from "../base/dom.js";
import { errorLine } from "../base/parts.js";
import "./app_frame.js";

/** The app of a tool, read from its `ui://` resource, with the tool's arguments and its result. */
export function appFrame(app, { uri, tool, call }) {
  const box = h("div", { class: "wb-app" });
  app.client
    .request("resources/read", { uri })
    .then((resource) => box.append(appOf(app, { resource, tool, args: call.params.arguments, result: call.result })))
    .catch((error) => box.append(errorLine(error)));
  return box;
}

/** An app whose resource has been read, with its tool or without one. */
export function appOf(app, { resource, tool, args = {}, result }) {
  const frame = document.createElement("es-app-frame");
  frame.show({
    resource,
    tool,
    arguments: args,
    result,
    tools: app.client.tools,
    call: (name, given) => app.client.request("tools/call", { name, arguments: given }),
    read: (uri) => app.client.request("resources/read", { uri }),
  });
  return frame;
}
