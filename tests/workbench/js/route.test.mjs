import assert from "node:assert/strict";
import { test } from "node:test";

import { fromText, toText } from "../../../everything_site/workbench/static/workbench/wire/filter.js";
import { format, fromBase64, parse, toBase64, withParameter } from "../../../everything_site/workbench/static/workbench/base/route.js";

test("a place survives the way to a fragment and back, whatever its name and arguments", () => {
  const place = { kind: "resources", name: "note://a b/ü?x#y", revision: "2026-07-28", args: { text: "Köln – „ja“", list: [1, null, true] } };
  const { kind, name, revision, args } = parse(format(place));
  assert.deepEqual({ kind, name, revision, args }, place);
});

test("the fragment that a tour links to is understood", () => {
  const { kind, name, args } = parse("#/tools/add?args=eyJhIjoyLCJiIjo0MH0");
  assert.deepEqual([kind, name, args], ["tools", "add", { a: 2, b: 40 }]);
});

test("a fragment that means nothing leads to the start", () => {
  for (const fragment of ["", "#", "#main", "#/no-such-kind/x", "#/tools/%E0%A4%A?args=!!!"]) assert.equal(parse(fragment).args, undefined);
  assert.equal(parse("#/no-such-kind/x").kind, "start");
});

test("BASE64URL has neither padding nor characters that a URL would change", () => {
  const text = toBase64({ all: "ÿþý>>>???" });
  assert.match(text, /^[\w-]+$/);
  assert.deepEqual(fromBase64(text), { all: "ÿþý>>>???" });
  assert.equal(fromBase64("not json"), undefined);
});

test("the filter of the wire is a parameter beside the place, and goes with the filter", () => {
  const filter = { text: "a & b=c", lane: "Sign-in", errors: true };
  const place = "#/tools/add?args=eyJhIjoyfQ";
  const filtered = withParameter(place, "filter", toText(filter));
  assert.deepEqual(fromText(parse(filtered).parameters.get("filter")), filter);
  assert.deepEqual(parse(filtered).args, { a: 2 });
  assert.equal(withParameter(filtered, "filter", toText({})), place);
  assert.equal(withParameter("", "filter", null), "#/start");
});

test("of a filter in a URL, only what a filter has is taken", () => {
  assert.deepEqual(fromText("lane=Calls&constructor=1&kind="), { lane: "Calls" });
});
