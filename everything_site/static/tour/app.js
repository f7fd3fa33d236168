/** Shows the app of a recording in a frame. Its tools answer in the workbench only: here nobody is signed in. */

import "../workbench/apps/app_frame.js";
import { received, sent } from "../workbench/protocol/messages.js";

/** The recording has a placeholder where a result had the time. */
function withTimes(result) {
  return JSON.parse(JSON.stringify(result ?? null).replaceAll('"TIME"', JSON.stringify(new Date().toISOString())));
}

/** Put the recorded app with the recorded result of its tool into a figure. */
export function showApp(figure, { exchanges }) {
  const results = exchanges.map((exchange) => ({ request: sent(exchange.request)[0], result: received(exchange).at(-1)?.message.result }));
  const resource = results.find(({ result }) => result?.contents?.[0]?.uri === figure.dataset.app)?.result;
  const call = results.find(({ request }) => request?.method === "tools/call");
  if (!resource) return;
  const frame = document.createElement("es-app-frame");
  figure.prepend(frame);
  const refuse = () => Promise.reject(new Error("This is a recording. Open the app in the workbench to call tools."));
  frame.show({
    resource,
    tool: { name: call?.request.params.name },
    arguments: call?.request.params.arguments ?? {},
    result: withTimes(call?.result),
    tools: new Map(),
    call: refuse,
    read: refuse,
  });
}
