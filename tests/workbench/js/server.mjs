/** A server for tests, on a port of its own: each request is answered by the next handler, and kept. */

import { once } from "node:events";
import { createServer } from "node:http";

export async function serve(context, ...handlers) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const received = { method: request.method, url: request.url, headers: request.headers, text };
    if (request.headers["content-type"] === "application/json" && text) received.message = JSON.parse(text);
    requests.push(received);
    const handler = handlers.shift();
    if (!handler) {
      response.writeHead(500).end("no handler is left");
      return;
    }
    await handler(received, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const origin = `http://127.0.0.1:${server.address().port}`;
  return { origin, url: `${origin}/mcp`, requests, handlers };
}

export const json = (body, { status = 200, ...headers } = {}) => (request, response) => {
  const document = typeof body === "function" ? body(request) : body;
  response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(document));
};

export const result = (value, options) => json(({ message }) => ({ jsonrpc: "2.0", id: message.id, result: value }), options);

export const accepted = (_, response) => response.writeHead(202).end();

/** An event stream. `say` gets a function that sends an event, and the response, which it may end or destroy. */
export const stream = (say, headers = {}) => async (request, response) => {
  response.writeHead(200, { "Content-Type": "text/event-stream", ...headers });
  response.flushHeaders();
  const send = ({ id, retry, ...message }) =>
    response.write(`${id ? `id: ${id}\n` : ""}${retry ? `retry: ${retry}\n` : ""}data: ${Object.keys(message).length ? JSON.stringify({ jsonrpc: "2.0", ...message }) : ""}\n\n`);
  await say(send, response, request);
};
