import assert from "node:assert/strict";
import { test } from "node:test";

import { parameterHeaders } from "../../../everything_site/workbench/static/workbench/protocol/headers.js";
import { ExactNumber, numberFrom, parse, same, stringify } from "../../../everything_site/workbench/static/workbench/base/json.js";

test("numbers that JavaScript would change keep their text, and others are plain", () => {
  const text = '{"big":9007199254740993,"huge":1e400,"zero":1.0,"tiny":-0,"plain":42,"half":0.5}';
  const value = parse(text);
  assert.equal(stringify(value), text);
  assert.ok(value.big instanceof ExactNumber && value.huge instanceof ExactNumber && value.zero instanceof ExactNumber);
  assert.equal(value.plain, 42);
  assert.equal(Number(value.zero), 1);
});

test("only the grammar of JSON makes a number", () => {
  for (const text of ["", "01", "+1", ".5", "1.", "0x10", "1_000", "NaN", "Infinity", "1 2", "１"]) assert.equal(numberFrom(text), undefined, text);
});

test("whatever JSON.parse reads is read alike, and whatever it refuses is refused", () => {
  const good = ['"\\u00e9\\n\\ud83d\\ude00"', "[]", "{}", ' [1, {"a": [null, true, false]}, "x"] ', '{"__proto__": {"x": 1}, "a": 1, "a": 2}', '"\u2028"'];
  for (const text of good) {
    assert.deepEqual(parse(text), JSON.parse(text));
    assert.equal(stringify(parse(text)), JSON.stringify(JSON.parse(text)));
    assert.equal(stringify(parse(text), 2), JSON.stringify(JSON.parse(text), null, 2));
  }
  for (const text of ["", "{", "[1,]", '{"a":1,}', "{a: 1}", "'x'", '"a\nb"', '"\\x"', "tru", "1 1", '{"a" 1}', "[1 2]", "undefined", "// no\n1", '"abc']) {
    assert.throws(() => JSON.parse(text));
    assert.throws(() => parse(text), { name: "JsonError" }, text);
  }
});

test("an error names its line, its column and what was expected", () => {
  assert.throws(() => parse('{\n  "a": 1\n  "b": 2\n}'), { line: 3, column: 3, message: 'Line 3, column 3: expected “,” or “}” after a value, found “"”' });
  assert.throws(() => parse("[".repeat(1000)), /nested more than 200 deep/);
});

test("equality is that of JSON", () => {
  assert.ok(same(parse('{"a":1.0,"b":[null]}'), { b: [null], a: 1 }));
  assert.ok(!same([], {}) && !same(null, 0) && !same("1", 1) && !same({ a: 1 }, { a: 1, b: 2 }));
});

test("a header that repeats an argument has the number as it was typed", () => {
  const schema = { type: "object", properties: { n: { type: "number", "x-mcp-header": "N" }, o: { type: "object", "x-mcp-header": "O" } } };
  assert.deepEqual(parameterHeaders(schema, parse('{"n":1.0,"o":{}}')), { "Mcp-Param-N": "1.0" });
});
