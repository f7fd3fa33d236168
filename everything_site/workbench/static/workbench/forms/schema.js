/**
 * From a JSON Schema (2020-12, and what 2019-09 and draft-07 tools send) to what a form shows, and to first values.
 *
 * A node describes one control: `kind` is `string`, `number`, `boolean`, `choice`, `choices`, `list`, `object`, `variant`,
 * `const` or `json`; the rest of its properties are in `describe`. Children are described when they are asked for, so
 * schemas may refer to themselves.
 */

import { ExactNumber, numberFrom, stringify } from "../base/json.js";
import { expand, isSchema, shapes, typesOf } from "./schema_merge.js";
import { sentences } from "./schema_words.js";

/** The value that is not sent at all; empty text and `null` are values. */
export const ABSENT = Symbol("absent");

const LONG_NAMES = /^(text|prompt|message|body|content|markdown|description|systemPrompt|instructions|query|code|json)$/i;
const MANY_CHARACTERS = 200;

/**
 * Describe the control for a schema.
 *
 * @param {Object|boolean} schema
 * @param {Object} [place]
 * @param {Object|boolean} [place.root] The document in which `$ref` is looked up; the schema itself by default.
 * @param {string} [place.name] The property's name, if it is one.
 * @param {boolean} [place.required]
 * @returns {Object} `{kind, name, title, description, required, nullable, notes, header, deprecated, schema, …}` and by kind:
 *   string `{format, multiline}`, number `{integer, step}`, choice and choices `{options: [{value, label, note}]}`,
 *   list `{fixed, item(index), minItems, maxItems}`, object `{fields: [{name, required, node()}], extra(name)|null}`,
 *   variant `{options: [{label, node()}]}`, const `{value}`, json `{reason}`.
 */
export function describe(schema, { root = schema, name = "", required = true } = {}) {
  const common = { name, title: name, description: "", required, nullable: false, notes: [], schema, root };
  if (!isSchema(schema)) return { ...common, kind: "json", reason: "The schema of this value is not a schema." };
  if (schema === true) return { ...common, kind: "json", reason: "Any JSON is allowed here." };
  if (schema === false) return { ...common, kind: "json", reason: "Nothing is allowed here.", required: false };
  const expanded = expand(schema, root);
  if (expanded.reason) return { ...common, ...annotations(schema, name), kind: "json", reason: expanded.reason };
  const full = expanded.schema;
  if (full === true || full === false) return { ...describe(full, { root, name, required }), ...annotations(schema, name) };
  const node = { ...common, schema: full, ...annotations(full, name) };
  Object.assign(node, control(full, node, root));
  node.notes = [...sentences(node), ...(node.header ? [`Also sent as Mcp-Param-${node.header}.`] : [])];
  return node;
}

function annotations(schema, name) {
  const header = schema["x-mcp-header"];
  return {
    title: typeof schema.title === "string" && schema.title ? schema.title : name,
    description: typeof schema.description === "string" ? schema.description : "",
    deprecated: schema.deprecated === true,
    examples: Array.isArray(schema.examples) ? schema.examples : [],
    ...(Object.hasOwn(schema, "default") ? { default: schema.default } : {}),
    ...(typeof header === "string" && header ? { header } : {}),
  };
}

function control(schema, node, root) {
  if (schema.readOnly === true) return { kind: "json", reason: "The schema calls this value read-only." };
  if (Object.hasOwn(schema, "const")) return { kind: "const", value: schema.const };
  const options = optionsOf(schema, root);
  if (options) return { kind: "choice", options };
  for (const keyword of ["oneOf", "anyOf"]) {
    if (!Array.isArray(schema[keyword]) || !schema[keyword].some((branch) => shapes(branch))) continue;
    const { [keyword]: branches, ...base } = schema;
    const others = branches.filter((branch) => !isNull(branch));
    if (others.length < branches.length) {
      const inner = others.length === 1 ? { allOf: [base, others[0]] } : { ...base, [keyword]: others };
      return nullable(describe(inner, { root, name: node.name, required: node.required }), node);
    }
    if (branches.length === 1) return unwrapped(describe({ allOf: [base, branches[0]] }, { root, name: node.name, required: node.required }), node);
    return variant(branches.map((branch) => ({ branch, schema: shapes(base) ? { allOf: [base, branch] } : branch })), root);
  }
  const types = typesOf(schema);
  const named = types.filter((type) => type !== "null");
  if (schema.nullable === true && !types.includes("null")) types.push("null");
  if (types.includes("null") && named.length) {
    const { nullable: ignored, ...rest } = schema;
    return nullable(describe({ ...rest, type: named.length === 1 ? named[0] : named }, { root, name: node.name, required: node.required }), node);
  }
  if (types.length > 1) return variant(types.map((type) => ({ branch: { type }, schema: { ...schema, type } })), root);
  switch (types[0]) {
    case "string":
      return text(schema, node);
    case "integer":
    case "number":
      return { kind: "number", integer: types[0] === "integer", step: schema.multipleOf > 0 ? schema.multipleOf : 1 };
    case "boolean":
      return { kind: "boolean" };
    case "null":
      return { kind: "const", value: null };
    case "array":
      return list(schema, root);
    case "object":
      return object(schema, root);
    default:
      return { kind: "json", reason: types.length ? `“${types[0]}” is not a type of JSON Schema.` : "Any JSON is allowed here." };
  }
}

function unwrapped(inner, node) {
  const { title, description, default: ignored, ...rest } = inner;
  return { ...rest, title: node.title || title, description: node.description || description };
}

function nullable(inner, node) {
  return { ...unwrapped(inner, node), nullable: true };
}

const isNull = (schema) => schema?.type === "null" || (isSchema(schema) && schema.const === null);

function optionsOf(schema, root) {
  if (Array.isArray(schema.enum)) {
    const names = Array.isArray(schema.enumNames) ? schema.enumNames : [];
    return schema.enum.map((value, index) => ({ value, label: typeof names[index] === "string" ? names[index] : label(value) }));
  }
  for (const keyword of ["oneOf", "anyOf"]) {
    const branches = schema[keyword];
    if (!Array.isArray(branches) || branches.length < 2) continue;
    const found = branches.map((branch) => {
      const full = isSchema(branch) && typeof branch === "object" ? expand(branch, root).schema : undefined;
      if (full?.type === "null") return { value: null, label: full.title ?? "null" };
      if (!full || !Object.hasOwn(full, "const")) return undefined;
      return { value: full.const, label: full.title ?? label(full.const), note: full.description };
    });
    const constants = branches.filter((branch) => branch?.type !== "null").length;
    if (constants > 1 && found.every(Boolean)) return found;
  }
  return undefined;
}

const label = (value) => (typeof value === "string" && value !== "" ? value : stringify(value));

function text(schema, node) {
  const short = schema.maxLength !== undefined && schema.maxLength <= MANY_CHARACTERS;
  const format = typeof schema.format === "string" ? schema.format : "";
  return { kind: "string", format, multiline: !short && !format && (schema.maxLength > MANY_CHARACTERS || LONG_NAMES.test(node.name)) };
}

function list(schema, root) {
  const tuple = Array.isArray(schema.items);
  const prefix = tuple ? schema.items : Array.isArray(schema.prefixItems) ? schema.prefixItems : [];
  const rest = (tuple ? schema.additionalItems : schema.items) ?? true;
  const { minItems = 0, maxItems = Infinity } = schema;
  if (!prefix.length && rest && typeof rest === "object") {
    const item = describe(rest, { root });
    if (item.kind === "choice") return { kind: "choices", options: item.options, minItems, maxItems };
  }
  const item = (index) =>
    describe(index < prefix.length ? prefix[index] : rest, { root, name: "", required: true });
  return { kind: "list", fixed: prefix.length, item, minItems, maxItems: rest === false ? Math.min(prefix.length, maxItems) : maxItems };
}

function object(schema, root) {
  const properties = isSchema(schema.properties) && typeof schema.properties === "object" ? schema.properties : {};
  const needed = new Set(Array.isArray(schema.required) ? schema.required : []);
  const undeclared = [...needed].filter((name) => !Object.hasOwn(properties, name));
  const fields = [...Object.keys(properties), ...undeclared].map((name) => ({
    name,
    required: needed.has(name),
    node: () => describe(properties[name] ?? schema.additionalProperties ?? true, { root, name, required: needed.has(name) }),
  }));
  const patterns = Object.entries(schema.patternProperties ?? {});
  const open = schema.additionalProperties ?? (!fields.length && !patterns.length ? undefined : false);
  const extra =
    open || patterns.length || (open === undefined && !Object.hasOwn(schema, "properties"))
      ? (name) => describe(patterns.find(([pattern]) => matches(pattern, name))?.[1] ?? open ?? true, { root, name, required: true })
      : null;
  return { kind: "object", fields, extra };
}

function matches(pattern, name) {
  try {
    return new RegExp(pattern, "u").test(name);
  } catch {
    return false;
  }
}

function variant(branches, root) {
  const options = branches.map(({ branch, schema }, index) => ({
    label: variantLabel(branch, root, index),
    node: (place) => describe(schema, { root, ...place }),
  }));
  return { kind: "variant", options };
}

const TYPE_WORDS = { string: "Text", integer: "Whole number", number: "Number", boolean: "True or false", array: "List", object: "Object", null: "null" };

function variantLabel(branch, root, index) {
  const full = isSchema(branch) && typeof branch === "object" ? (expand(branch, root).schema ?? branch) : {};
  if (typeof full.title === "string" && full.title) return full.title;
  for (const property of Object.values(full.properties ?? {}))
    if (property && Object.hasOwn(Object(property), "const")) return label(property.const);
  if (Object.hasOwn(full, "const")) return label(full.const);
  if (typeof branch?.$ref === "string") return branch.$ref.split("/").at(-1);
  const types = typesOf(full);
  return types.length === 1 && TYPE_WORDS[types[0]] ? TYPE_WORDS[types[0]] : `Option ${index + 1}`;
}

/** The value that a form begins with: defaults, constants, the fields of required objects; everything else is absent. */
export function initial(node, depth = 0) {
  if (Object.hasOwn(node, "default") && node.default !== null) return node.default;
  if (!node.required || depth > 20) return ABSENT;
  if (node.kind === "const") return node.value;
  if (node.kind === "boolean" && !node.nullable) return false;
  if (node.kind !== "object" || node.nullable) return ABSENT;
  const value = {};
  for (const field of node.fields) {
    const first = initial(field.node(), depth + 1);
    if (first !== ABSENT) setProperty(value, field.name, first);
  }
  return value;
}

/** Set a property even if it is called `__proto__`. */
export function setProperty(object, name, value) {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}

export const isNumber = (value) => typeof value === "number" || value instanceof ExactNumber;
export const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value) && !isNumber(value);

const TEXTS = {
  date: /^\d{4}-\d\d-\d\d$/,
  time: /^\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?$/i,
  "date-time": /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i,
};

/** A text that a number's input shows without turning it into a number. */
const isWrongNumber = (text) => text.trim() !== "" && !/[\r\n]/.test(text) && numberFrom(text.trim()) === undefined;

/** Whether a value is written as another: `1.0` equals `1`, and yet something else is sent. */
const isWritten = (one, other) => stringify(one) === stringify(other);

/** Whether indexes are found ones and ascend: checkboxes know no other order. */
const isInOrder = (indexes) => indexes.every((index, at) => index > (indexes[at - 1] ?? -1));

/** Whether the control of a node can show a value. Another value is shown as JSON. */
export function fits(node, value) {
  if (value === ABSENT || node.kind === "json") return true;
  if (value === null && node.nullable) return true;
  switch (node.kind) {
    case "string":
      return typeof value === "string" && (value === "" || (TEXTS[node.format]?.test(value) ?? true)) && (node.multiline || !/[\r\n]/.test(value));
    case "number":
      return isNumber(value) || (typeof value === "string" && isWrongNumber(value));
    case "boolean":
      return typeof value === "boolean";
    case "const":
      return isWritten(node.value, value);
    case "choice":
      return node.options.some((option) => isWritten(option.value, value));
    case "choices":
      return Array.isArray(value) && isInOrder(value.map((item) => node.options.findIndex((option) => isWritten(option.value, item))));
    case "list":
      return Array.isArray(value);
    case "object":
      return isObject(value) && (node.extra !== null || Object.keys(value).every((name) => node.fields.some((field) => field.name === name)));
    default:
      return variantOf(node, value) >= 0;
  }
}

/** Which option of a variant a value belongs to: the first that fits in all its parts, else at all; -1 if none does. */
export function variantOf(node, value) {
  const nodes = node.options.map((option) => option.node());
  const exact = nodes.findIndex((option) => fitsDeeply(option, value));
  return exact >= 0 ? exact : nodes.findIndex((option) => fits(option, value));
}

function fitsDeeply(node, value) {
  if (!fits(node, value) || (node.kind === "number" && typeof value === "string") || value === null) return fits(node, value) && value === null;
  if (node.kind === "list") return value.every((item, index) => fitsDeeply(node.item(index), item));
  if (node.kind !== "object") return true;
  return node.fields.every((field) =>
    Object.hasOwn(value, field.name) ? fitsDeeply(field.node(), value[field.name]) : !field.required,
  );
}

/** The schema of a prompt's arguments (`prompts/list`): all are strings. */
export function argumentsSchema(list = []) {
  const properties = {};
  for (const { name, title, description } of list) setProperty(properties, name, { type: "string", ...(title && { title }), ...(description && { description }) });
  return { type: "object", properties, required: list.filter((argument) => argument.required).map(({ name }) => name) };
}

/** The schema of a URI template's variables (RFC 6570). */
export function variablesSchema(template) {
  const names = [...template.matchAll(/\{[+#./;?&]?([^}]+)\}/g)].flatMap(([, list]) => list.split(",").map((name) => name.replace(/(\*|:\d+)$/, "")));
  const properties = {};
  for (const name of names) setProperty(properties, name, { type: "string" });
  return { type: "object", properties, required: [...new Set(names)] };
}
