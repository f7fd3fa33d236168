/** The page of an app beside the result of its tool (MCP Apps, SEP-1865). */

import { h } from "./dom.js";
import { errorLine } from "./view_parts.js";
import "./app_frame.js";

export function appFrame(app, { uri, tool, call }) {
  const box = h("div", { class: "wb-app" });
  load().catch((error) => box.append(errorLine(error)));
  return box;

  async function load() {
    const read = (address) => app.client.request("resources/read", { uri: address });
    const resource = await read(uri);
    const frame = document.createElement("es-app-frame");
    box.append(frame);
    frame.show({
      resource,
      tool,
      arguments: call.params.arguments ?? {},
      result: call.result,
      tools: app.client.tools,
      call: (name, args) => app.client.request("tools/call", { name, arguments: args }),
      read,
    });
  }
}
