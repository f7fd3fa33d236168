import assert from "node:assert/strict";
import { test } from "node:test";

import { ABSENT, argumentsSchema, describe, fits, initial, variantOf, variablesSchema } from "../../../everything_site/workbench/static/workbench/forms/schema.js";
import { numberFrom, parse, stringify } from "../../../everything_site/workbench/static/workbench/base/json.js";
import { check } from "../../../everything_site/workbench/static/workbench/forms/validity.js";

const field = (node, name) => node.fields.find((one) => one.name === name).node();
const kind = (schema) => describe(schema).kind;
const texts = (node) => node.notes.join(" ");

test("each type has its control, with or without the word type", () => {
  assert.equal(kind({ type: "string" }), "string");
  assert.equal(kind({ pattern: "^a" }), "string");
  assert.deepEqual([kind({ type: "integer" }), describe({ type: "integer" }).integer], ["number", true]);
  assert.equal(kind({ minimum: 1 }), "number");
  assert.equal(kind({ type: "boolean" }), "boolean");
  assert.equal(kind({ items: { type: "string" } }), "list");
  assert.equal(kind({ properties: {} }), "object");
  assert.deepEqual([kind({ type: "null" }), describe({ type: "null" }).value], ["const", null]);
  for (const schema of [{}, true, false, { type: "date" }, { type: [] }, 7, null, [], { readOnly: true, type: "string" }]) assert.equal(kind(schema), "json", JSON.stringify(schema));
});

test("long text is recognised by its limit or by its name", () => {
  assert.equal(describe({ type: "string" }, { name: "message" }).multiline, true);
  assert.equal(describe({ type: "string", maxLength: 50 }, { name: "message" }).multiline, false);
  assert.equal(describe({ type: "string", maxLength: 500 }, { name: "x" }).multiline, true);
  assert.equal(describe({ type: "string", format: "uri" }, { name: "text" }).multiline, false);
});

test("limits are said in sentences", () => {
  assert.equal(texts(describe({ type: "string", minLength: 1, maxLength: 3, pattern: "^x" })), "1 to 3 characters. Matches ^x.");
  assert.equal(texts(describe({ type: "integer", minimum: 1, maximum: 5, multipleOf: 2 })), "A whole number: 1 to 5. A multiple of 2.");
  assert.equal(texts(describe({ type: "number", exclusiveMinimum: 0 })), "More than 0.");
  assert.equal(texts(describe({ type: "number", minimum: 0, exclusiveMinimum: true })), "More than 0.");
  assert.equal(texts(describe({ type: "array", items: {}, minItems: 2, maxItems: 2, uniqueItems: true })), "Exactly 2 items. No duplicates.");
  assert.equal(texts(describe({ type: "string", "x-mcp-header": "Region" })), "Also sent as Mcp-Param-Region.");
});

test("enums keep the types of their values", () => {
  const mixed = describe({ enum: ["1", 1, true, null, { a: 1 }] });
  assert.equal(mixed.kind, "choice");
  assert.deepEqual(mixed.options.map(({ value }) => value), ["1", 1, true, null, { a: 1 }]);
  assert.ok(fits(mixed, 1) && fits(mixed, "1") && fits(mixed, null) && !fits(mixed, 2));
});

test("titles of choices come from oneOf, anyOf and enumNames", () => {
  const titled = [{ const: "a", title: "Alpha" }, { const: 2, title: "Beta" }];
  for (const schema of [{ oneOf: titled }, { anyOf: titled }, { enum: ["a", 2], enumNames: ["Alpha", "Beta"] }])
    assert.deepEqual(describe(schema).options.map(({ label, value }) => [label, value]), [["Alpha", "a"], ["Beta", 2]]);
  const several = describe({ type: "array", items: { anyOf: titled }, minItems: 1 });
  assert.equal(several.kind, "choices");
  assert.ok(fits(several, ["a"]) && fits(several, []) && !fits(several, ["a", "a"]) && !fits(several, ["z"]));
});

test("a union with null is the other schema, and null can be sent", () => {
  for (const schema of [{ type: ["string", "null"] }, { anyOf: [{ type: "string" }, { type: "null" }], title: "T" }, { oneOf: [{ type: "null" }, { type: "string" }] }, { type: "string", nullable: true }]) {
    const node = describe(schema);
    assert.deepEqual([node.kind, node.nullable], ["string", true], JSON.stringify(schema));
    assert.ok(fits(node, null) && fits(node, "") && !fits(describe({ type: "string" }), null));
  }
  const node = describe({ anyOf: [{ $ref: "#/$defs/d" }, { type: "null" }], $defs: { d: { enum: ["a", "b"] } }, default: null });
  assert.deepEqual([node.kind, node.nullable, initial({ ...node, required: false })], ["choice", true, ABSENT]);
});

test("references are followed: pointers, anchors, ids, escapes, and those beside other keywords", () => {
  const schema = {
    $defs: { "a/b ~": { type: "integer" }, named: { $anchor: "here", type: "boolean" }, other: { $id: "https://x.example/o", $defs: { in: { type: "string" } }, type: "array" } },
    properties: {
      one: { $ref: "#/$defs/a~1b%20~0", description: "kept" },
      two: { $ref: "#here" },
      three: { $ref: "https://x.example/o#/$defs/in" },
      four: { $ref: "https://elsewhere.example/x" },
      five: { $ref: "#/$defs/gone" },
      six: { $ref: "#/$defs/a~1b%20~0", minimum: 5 },
    },
  };
  const root = describe(schema);
  assert.deepEqual(["one", "two", "three", "four", "five", "six"].map((name) => field(root, name).kind), ["number", "boolean", "string", "json", "json", "number"]);
  assert.equal(field(root, "one").description, "kept");
  assert.match(field(root, "four").reason, /cannot be found/);
  assert.match(texts(field(root, "six")), /at least 5/);
});

test("a schema that refers to itself is opened as far as one looks, and one without end is JSON", () => {
  const tree = describe({ $ref: "#/$defs/node", $defs: { node: { type: "object", properties: { children: { type: "array", items: { $ref: "#/$defs/node" } } }, required: ["children"] } } });
  let node = tree;
  for (let depth = 0; depth < 30; depth += 1) node = field(node, "children").item(0);
  assert.equal(node.kind, "object");
  assert.equal(kind({ $ref: "#" }), "json");
  assert.match(describe({ $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } } }).reason, /endlessly/);
  const endless = describe({ type: "object", properties: { next: { $ref: "#" } }, required: ["next"] });
  assert.ok(initial(endless).next);
});

test("alternatives are named and chosen by the value", () => {
  const node = describe({
    oneOf: [
      { type: "object", properties: { kind: { const: "circle" }, radius: { type: "number" } }, required: ["kind", "radius"] },
      { type: "object", title: "A square", properties: { kind: { const: "square" }, side: { type: "number" } }, required: ["kind"] },
      { type: "string" },
    ],
  });
  assert.deepEqual([node.kind, node.options.map(({ label }) => label)], ["variant", ["circle", "A square", "Text"]]);
  assert.deepEqual([variantOf(node, { kind: "square" }), variantOf(node, { kind: "circle", radius: 1 }), variantOf(node, "x"), variantOf(node, 5)], [1, 0, 2, -1]);
  assert.deepEqual(initial(node.options[1].node({ required: true })), { kind: "square" });
  const types = describe({ type: ["string", "integer"], minLength: 2 });
  assert.deepEqual(types.options.map(({ label }) => label), ["Text", "Whole number"]);
});

test("conditions and alternatives of requirements leave the form as it is", () => {
  const address = {
    type: "object",
    properties: { phone: { type: "string" }, email: { type: "string" } },
    allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
    if: { required: ["phone"] },
    then: { properties: { email: false } },
    additionalProperties: false,
  };
  assert.deepEqual(describe(address).fields.map(({ name }) => name), ["phone", "email"]);
  assert.equal(describe(address).extra, null);
  assert.deepEqual(check(address, {}).errors, [{ path: "", message: "Either phone or email is required." }]);
  assert.deepEqual(check(address, { email: "x" }).errors, []);
});

test("allOf is merged where its parts agree, and is JSON where they do not", () => {
  const merged = describe({ allOf: [{ type: "object", properties: { a: { type: "string" } }, required: ["a"] }, { properties: { b: { type: "integer", minimum: 1 }, a: { maxLength: 3 } } }] });
  assert.deepEqual(merged.fields.map(({ name, required }) => [name, required]), [["a", true], ["b", false]]);
  assert.match(texts(field(merged, "a")), /At most 3/);
  assert.equal(kind({ allOf: [{ type: "string" }, { type: "integer" }] }), "json");
  assert.equal(kind({ allOf: [{ type: "number" }, { type: "integer", maximum: 3 }] }), "number");
});

test("lists have fixed places, further ones, or none", () => {
  const tuple = describe({ type: "array", prefixItems: [{ type: "string" }, { type: "integer" }], items: false });
  assert.deepEqual([tuple.fixed, tuple.maxItems, tuple.item(1).kind], [2, 2, "number"]);
  const old = describe({ type: "array", items: [{ type: "boolean" }], additionalItems: { type: "string" } });
  assert.deepEqual([old.fixed, old.item(0).kind, old.item(1).kind, old.maxItems], [1, "boolean", "string", Infinity]);
});

test("objects tell declared properties, undeclared required ones and free ones apart", () => {
  const node = describe({ type: "object", properties: { a: { type: "string" }, __proto__x: true }, required: ["a", "b"], additionalProperties: { type: "integer" }, patternProperties: { "^x-": { type: "boolean" } } });
  assert.deepEqual(node.fields.map(({ name, required }) => [name, required]), [["a", true], ["__proto__x", false], ["b", true]]);
  assert.deepEqual([node.extra("free").kind, node.extra("x-1").kind], ["number", "boolean"]);
  assert.equal(describe({ type: "object", properties: {} }).extra, null);
  assert.notEqual(describe({ type: "object" }).extra, null);
  assert.equal(describe({ type: "object", additionalProperties: false }).extra, null);
});

test("the first value has defaults, constants and required switches, and nothing else", () => {
  const schema = {
    type: "object",
    properties: { a: { type: "string", default: "" }, b: { const: 5 }, c: { type: "boolean" }, d: { type: "string" }, e: { type: "object", properties: { f: { default: [1] } } }, g: { const: 6 }, h: { type: "object", properties: { i: { type: "integer", default: 3 } } } },
    required: ["b", "c", "d", "h"],
  };
  assert.deepEqual(initial(describe(schema)), { a: "", b: 5, c: false, h: { i: 3 } });
});

test("absent, empty and null are three values, and a value that does not fit is known not to", () => {
  const node = describe({ type: "string" });
  assert.ok(fits(node, ABSENT) && fits(node, "") && !fits(node, null) && !fits(node, 5) && !fits(node, {}));
  assert.ok(!fits(node, "two\nlines") && fits(describe({ type: "string" }, { name: "text" }), "two\nlines"));
  assert.ok(!fits(describe({ type: "string", format: "date" }), "soon") && fits(describe({ type: "string", format: "date-time" }), "2026-07-28T12:00:00.5+02:00"));
  assert.ok(fits(describe({ type: "integer" }), numberFrom("9007199254740993")));
  assert.ok(fits(describe({ type: "integer" }), "ten") && !fits(describe({ type: "integer" }), "10") && !fits(describe({ type: "integer" }), ""));
  assert.ok(!fits(describe({ type: "object", properties: { a: {} }, additionalProperties: false }), { b: 1 }));
});

test("big numbers are checked by their size and sent by their digits", () => {
  const schema = { type: "object", properties: { n: { type: "integer", minimum: 1 }, m: { type: "number", maximum: 10 } } };
  const value = parse('{"n":9007199254740993,"m":1e400}');
  assert.deepEqual(check(schema, value).errors.map(({ path }) => path), ["/m"]);
  assert.equal(stringify(value), '{"n":9007199254740993,"m":1e400}');
});

test("errors name the place and speak as people do", () => {
  const schema = {
    type: "object",
    properties: { "a/b c%": { type: "integer" }, list: { type: "array", items: { enum: [1, "x"] } }, maybe: { anyOf: [{ type: "string", minLength: 2 }, { type: "null" }] } },
    required: ["name"],
    additionalProperties: false,
  };
  assert.deepEqual(check(schema, { "a/b c%": "1", list: [1, 2], maybe: "x", extra: 0 }).errors, [
    { path: "/name", message: "This is required." },
    { path: "/a~1b c%", message: "This must be a whole number." },
    { path: "/list/1", message: 'This must be one of 1, "x".' },
    { path: "/maybe", message: "This needs at least 2 characters." },
    { path: "/extra", message: "This is not allowed here." },
  ]);
});

test("a schema that cannot be used is said to be so, and is not written into", () => {
  assert.match(check({ $ref: "#/nowhere" }, {}).fault, /cannot be used/);
  assert.match(check({ type: "string", pattern: "(" }, "x").fault, /cannot be used/);
  const schema = Object.freeze({ $id: "https://x.example/s", $defs: Object.freeze({ a: Object.freeze({ type: "string" }) }), $ref: "#/$defs/a" });
  assert.deepEqual(check(schema, "x"), { errors: [] });
});

test("older drafts are read by their own rules", () => {
  const seven = { $schema: "http://json-schema.org/draft-07/schema#", definitions: { n: { type: "integer" } }, properties: { a: { $ref: "#/definitions/n", minimum: 10 } }, dependencies: { a: ["b"] } };
  assert.equal(check(seven, { a: 1, b: 1 }).errors.length, 0);
  assert.equal(check(seven, { a: 1 }).errors.length, 1);
  assert.equal(check({ ...seven, $schema: "https://json-schema.org/draft/2020-12/schema" }, { a: 1, b: 1 }).errors.length, 1);
});

test("arguments of prompts and variables of templates become forms too", () => {
  assert.deepEqual(argumentsSchema([{ name: "city", required: true, description: "Where" }, { name: "state", title: "State" }]), {
    type: "object",
    properties: { city: { type: "string", description: "Where" }, state: { type: "string", title: "State" } },
    required: ["city"],
  });
  assert.deepEqual(variablesSchema("demo://{+path*}/{id:3}{?q,lang}").required, ["path", "id", "q", "lang"]);
});

test("nonsense in any keyword makes a form all the same", () => {
  const keywords = ["type", "properties", "items", "prefixItems", "enum", "oneOf", "anyOf", "allOf", "$ref", "required", "additionalProperties", "patternProperties", "minItems", "minimum", "exclusiveMinimum", "multipleOf", "maxLength", "pattern", "format", "examples", "title", "enumNames", "dependentRequired", "additionalItems", "x-mcp-header", "$defs"];
  const nonsense = [null, 5, -1, "x", "#", true, false, [], [1, null], [["x"]], {}, { a: 1 }, { a: { a: 1 } }];
  const values = [ABSENT, null, 0, "", [], {}, { a: 1 }, [1, "a"]];
  function walk(node, depth) {
    initial(node);
    for (const value of values) fits(node, value);
    const children = { object: () => [...node.fields.map((one) => one.node()), ...(node.extra ? [node.extra("free")] : [])], list: () => [node.item(0), node.item(1)], variant: () => node.options.map((option) => option.node()) };
    if (depth < 4) for (const child of children[node.kind]?.() ?? []) walk(child, depth + 1);
  }
  for (const type of [undefined, "object", "array", "string", "number"])
    for (const keyword of keywords)
      for (const value of nonsense) {
        const schema = { ...(type && { type }), [keyword]: value };
        assert.doesNotThrow(() => walk(describe(schema), 0), JSON.stringify(schema));
        assert.doesNotThrow(() => check(schema, { a: 1 }), JSON.stringify(schema));
      }
});
