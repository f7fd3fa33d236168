import assert from "node:assert/strict";
import { test } from "node:test";

import * as highlight from "../../../everything_site/workbench/static/workbench/wire/highlight.js";

const joined = (tokens) => tokens.map(({ text }) => text).join("");
const kinds = (tokens) => tokens.filter(({ text }) => text.trim()).map(({ kind, text }) => `${kind} ${text}`);

test("JSON is coloured by what each piece is, and no character is lost", () => {
  const text = '{"a": [1, -2.5e3, "x: {y}", true, null], "b\\"c": {}}';
  const tokens = highlight.json(text);
  assert.equal(joined(tokens), text);
  assert.deepEqual(kinds(tokens).filter((one) => !one.startsWith("mark")), [
    'key "a"', "number 1", "number -2.5e3", 'string "x: {y}"', "literal true", "literal null", 'key "b\\"c"',
  ]);
});

test("text that is not JSON passes unharmed", () => {
  for (const text of ["", "plain", '{"unfinished": "', "<html>", '{"a": nul}', "\u0000 \ud800"]) {
    assert.equal(joined(highlight.json(text)), text);
    assert.equal(joined(highlight.body(text)), text);
  }
});

test("a head has a method or a status, and names of headers", () => {
  const request = "POST /mcp HTTP/1.1\nAccept: text/event-stream\nX: a: b";
  assert.equal(joined(highlight.head(request)), request);
  assert.deepEqual(kinds(highlight.head(request)).slice(0, 2), ["method POST", "text  /mcp"]);
  assert.ok(kinds(highlight.head(request)).includes("string a: b"));
  assert.ok(kinds(highlight.head("HTTP/1.1 404 Not Found")).includes("status 404 Not Found"));
  assert.deepEqual(kinds(highlight.head("404 Not Found")), ["status 404 Not Found"]);
});

test("an event is laid out field by field, its data as JSON", () => {
  const tokens = highlight.event({ id: "s-1", event: "message", retry: 500, data: '{"a":1}' });
  assert.equal(joined(tokens), 'id: s-1\nevent: message\nretry: 500\ndata: {\n  "a": 1\n}');
  assert.equal(joined(highlight.event({ comment: "keep-alive" })), ": keep-alive");
});

test("a page of the tour is coloured from its text", () => {
  const text = 'HTTP/1.1 200 OK\nContent-Type: text/event-stream\n\nid: 1\ndata: {\n  "id": 2\n}\n\nid: 2\ndata:';
  const tokens = highlight.exchange(text);
  assert.equal(joined(tokens), text);
  assert.ok(kinds(tokens).includes('key "id"'));
  assert.equal(kinds(tokens).filter((one) => one === "name id").length, 2);
});

test("long strings are folded and Base64 is described, with what can be shown or played", () => {
  const [long] = highlight.json(`"${"word ".repeat(60)}"`);
  assert.equal(long.kind, "fold");
  assert.match(long.summary, /300 characters$/);
  const picture = `iVBORw0KGgo${"A".repeat(113)}`;
  const [png] = highlight.json(`"${picture}"`);
  assert.equal(png.summary, "PNG, 93 bytes");
  assert.equal(png.media, `data:image/png;base64,${picture}`);
  const [zip] = highlight.json(`"H4sI${"A".repeat(100)}"`);
  assert.equal(zip.summary, "gzip, 78 bytes");
  assert.equal(zip.media, undefined);
});

test("identifiers and ordinary long words are not taken for Base64", () => {
  for (const text of ["0f8fad5bd9cb469fa16570867728950e", "a".repeat(64), "x".repeat(40)]) {
    assert.equal(highlight.describeBase64(text), null, text);
  }
});

test("a form has a line for each of its fields", () => {
  assert.equal(joined(highlight.body("a=1&b=x%20y")), "a=1\n&b=x%20y");
});
