import assert from "node:assert/strict";
import { test } from "node:test";

import { extent } from "../../../everything_site/workbench/static/workbench/apps/extent.js";
import { appHtml, appUri, isVisibleToApps, isVisibleToModel, wishes } from "../../../everything_site/workbench/static/workbench/apps/resources.js";
import { bytesOf, fileName, hexDump, isImage, size } from "../../../everything_site/workbench/static/workbench/base/data.js";
import { target } from "../../../everything_site/workbench/static/workbench/base/web_address.js";
import { explain } from "../../../everything_site/workbench/static/workbench/protocol/errors.js";

test("Base64 of both alphabets becomes bytes, and anything else is refused", () => {
  assert.deepEqual([...bytesOf("+/8=")], [251, 255]);
  assert.deepEqual([...bytesOf("-_8")], [251, 255]);
  assert.deepEqual([...bytesOf("")], []);
  assert.equal(bytesOf("%%%"), null);
});

test("files get safe names, sizes are said for people, types are compared without parameters", () => {
  assert.equal(fileName("demo://a/b/c.gz?x=1", "application/gzip"), "c.gz");
  assert.equal(fileName("demo://a/..%2F..%2Fetc", "text/plain"), "_.._etc.txt");
  assert.equal(fileName("%", ""), "%".replace("%", "_") + ".bin");
  assert.deepEqual([1, 999, 1900, 2_400_000].map(size), ["1 byte", "999 bytes", "1.9 kB", "2.4 MB"]);
  assert.ok(isImage("image/PNG; q=1") && !isImage("text/html"));
  assert.equal(hexDump(Uint8Array.of(65, 0)), `0000  41 00${" ".repeat(42)}  A.`);
});

test("each code has a meaning and a section, and unknown ones are said to be the server's own", () => {
  assert.match(explain(-32602).url, /^https:\/\/www\.jsonrpc\.org/);
  assert.match(explain(-32020).url, /2026-07-28\/basic\/transports$/);
  assert.equal(explain(-32050).title, "Server error");
  assert.equal(explain(7).title, "Error");
});

test("a status that is about the token or the load is explained in place of the code that came with it", () => {
  assert.match(explain(-32600, 401).meaning, /token/);
  assert.match(explain(-32600, 401).url, /basic\/authorization/);
  assert.match(explain(-32600, 503).meaning, /later/);
  assert.equal(explain(-32600, 400).title, "Invalid request");
});

test("an app is an HTML document of its own type at a ui URI, as text or as Base64", () => {
  const contents = { uri: "ui://a/b", mimeType: "text/html; profile=mcp-app", text: "<p>" };
  assert.equal(appHtml({ contents: [contents] }).html, "<p>");
  assert.equal(appHtml({ contents: [{ ...contents, text: undefined, blob: "PHA+" }] }).html, "<p>");
  assert.match(appHtml({ contents: [{ ...contents, mimeType: "text/html" }] }).fault, /not text\/html/);
  assert.match(appHtml({ contents: [{ ...contents, uri: "https://x" }] }).fault, /ui:/);
  assert.match(appHtml({ contents: [] }).fault, /empty/);
});

test("tools say by their metadata which app they have and who sees them", () => {
  assert.equal(appUri({ _meta: { ui: { resourceUri: "ui://a" } } }), "ui://a");
  assert.equal(appUri({ _meta: { "ui/resourceUri": "ui://b" } }), "ui://b");
  assert.equal(appUri({ _meta: { ui: { resourceUri: "https://x" } } }), null);
  assert.ok(isVisibleToApps({}) && isVisibleToModel({}));
  assert.ok(!isVisibleToApps({ _meta: { ui: { visibility: ["model"] } } }) && !isVisibleToModel({ _meta: { ui: { visibility: ["app"] } } }));
  assert.equal(wishes({}), "");
  assert.match(wishes({ csp: { connectDomains: ["https://a", "https://a"] }, permissions: { camera: {} } }), /^It asks for https:\/\/a; .* It asks for camera,/);
});

test("an address is opened only if it is one of the web, and what may deceive is said", () => {
  assert.deepEqual(target("https://example.com:8443/x"), { host: "example.com:8443", isWeb: true, warnings: [] });
  assert.deepEqual(target("http://localhost:1/x").warnings, []);
  for (const address of ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "not an address", ""]) assert.equal(target(address).isWeb, false);
  assert.match(target("http://example.com").warnings[0], /not encrypted/);
  assert.match(target("https://bank.example@evil.example/").warnings[0], /user name/);
  assert.deepEqual(target("https://bank.example@evil.example/").host, "evil.example");
  assert.match(target("https://аррӏе.com").warnings[0], /beyond ASCII/);
});

test("the extent of a message counts what is in it, stops above the most, and takes circles", () => {
  const circle = { name: "round" };
  circle.self = circle;
  assert.ok(extent(circle, 100) < 100);
  assert.ok(extent({ deep: [{ text: "x".repeat(50) }] }, 1000) > 50);
  assert.ok(extent("x".repeat(101), 100) > 100);
  assert.ok(extent(Array(1e6).fill(0), 100) > 100);
  assert.ok(extent({ bytes: new Uint8Array(101) }, 100) > 100);
});
