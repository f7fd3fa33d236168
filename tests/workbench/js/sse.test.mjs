import assert from "node:assert/strict";
import { test } from "node:test";

import { Parser, readEvents } from "../../../everything_site/workbench/static/workbench/protocol/sse.js";

const parse = (...pieces) => {
  const parser = new Parser();
  return pieces.flatMap((piece) => parser.push(piece));
};

test("an event has its id, its name, and its lines of data joined", () => {
  assert.deepEqual(parse("id: s-1\nevent: message\ndata: one\ndata: two\n\n"), [{ id: "s-1", event: "message", data: "one\ntwo" }]);
});

test("a priming event has an id and a wait, and no data", () => {
  assert.deepEqual(parse("id: s-0\nretry: 1500\ndata:\n\n"), [{ id: "s-0", retry: 1500, data: "" }]);
});

test("comments stand alone, also within an event", () => {
  assert.deepEqual(parse(": keep-alive\n\ndata: x\n: still here\n\n"), [{ comment: "keep-alive" }, { comment: "still here" }, { data: "x" }]);
});

test("wherever the text is divided, the events are the same", () => {
  const text = 'id: 1\r\ndata: {"a":"ü"}\r\n\r\n: c\r\n\r\nretry: x\rdata: y\r\r\n';
  const whole = parse(text);
  for (let at = 0; at <= text.length; at += 1) assert.deepEqual(parse(text.slice(0, at), text.slice(at)), whole, `divided at ${at}`);
});

test("an event that the end of the stream cuts short is not delivered", () => {
  assert.deepEqual(parse("data: whole\n\ndata: half\n"), [{ data: "whole" }]);
});

test("a character whose bytes arrive apart is one character", async () => {
  const bytes = new TextEncoder().encode("data: ü\n\n");
  const body = new ReadableStream({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const events = [];
  for await (const event of readEvents(body)) events.push(event);
  assert.deepEqual(events, [{ data: "ü" }]);
});
