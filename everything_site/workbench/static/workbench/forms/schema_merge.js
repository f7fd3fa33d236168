/** JSON Schemas put together: `$ref` and `allOf` folded into one object where that says the same. */

const MAX_REFERENCES = 50;
const ANNOTATIONS = new Set(["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "x-mcp-header"]);
const LARGER = new Set(["minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum", "minContains"]);
const SMALLER = new Set(["maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum", "maxContains"]);
/** Keywords that only validation looks at: two schemas may differ in them and still share a form. */
const JUDGEMENTS = new Set([
  "if", "then", "else", "not", "dependentRequired", "dependentSchemas", "dependencies", "contains", "propertyNames",
  "unevaluatedProperties", "unevaluatedItems", "pattern", "multipleOf", "uniqueItems",
]); // prettier-ignore
const DOCUMENT = new Set(["$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$defs", "definitions", "$vocabulary"]);
const SHAPES = ["type", "properties", "additionalProperties", "patternProperties", "items", "prefixItems", "enum", "const", "$ref", "$dynamicRef", "format"];

export const isSchema = (value) => typeof value === "boolean" || (value !== null && typeof value === "object" && !Array.isArray(value));

/** Whether a schema says what a value looks like; one of only `required` or `not` does not. */
export function shapes(schema) {
  if (!isSchema(schema) || typeof schema === "boolean") return false;
  return SHAPES.some((keyword) => Object.hasOwn(schema, keyword)) || ["allOf", "anyOf", "oneOf"].some((keyword) => Array.isArray(schema[keyword]) && schema[keyword].some(shapes));
}

/** The types that a schema names, or those that its keywords are about. */
export function typesOf(schema) {
  if (typeof schema.type === "string") return [schema.type];
  if (Array.isArray(schema.type)) return [...schema.type];
  const about = {
    object: ["properties", "additionalProperties", "patternProperties", "required"],
    array: ["items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"],
    string: ["minLength", "maxLength", "pattern", "format"],
    number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  };
  const found = Object.keys(about).filter((type) => about[type].some((keyword) => Object.hasOwn(schema, keyword)));
  return found.length === 1 ? found : [];
}

/**
 * Fold `$ref` and `allOf` into the schema itself.
 *
 * @returns {{schema?: Object|boolean, reason?: string}} The reason says, as a sentence, why there is no such schema.
 */
export function expand(schema, root, seen = 0) {
  if (typeof schema === "boolean") return { schema };
  if (!isSchema(schema)) return { reason: "A part of this schema is not a schema." };
  if (seen > MAX_REFERENCES) return { reason: "This schema refers to itself endlessly." };
  let { allOf, $ref, $dynamicRef, $recursiveRef, ...own } = schema;
  const reference = $ref ?? $dynamicRef ?? $recursiveRef;
  const parts = [];
  if (typeof reference === "string") {
    const target = resolve(root, reference);
    if (target === undefined) return { reason: `$ref “${reference}” cannot be found in this schema.` };
    parts.push(target);
  }
  if (Array.isArray(allOf)) parts.push(...allOf);
  for (const part of parts) {
    const inner = expand(part, root, seen + 1);
    if (inner.reason) return inner;
    if (inner.schema === true) continue;
    if (inner.schema === false) return { schema: false };
    const merged = merge(own, inner.schema);
    if (!merged) return { reason: "The parts of allOf contradict or overlap each other." };
    own = merged;
  }
  return { schema: own };
}

/** Both schemas as one, `outer` before `inner`; `undefined` if the two cannot be said in one. */
function merge(outer, inner) {
  const out = { ...outer };
  for (const [keyword, value] of Object.entries(inner)) {
    if (DOCUMENT.has(keyword)) continue;
    if (!Object.hasOwn(out, keyword)) {
      const overlapping = ["anyOf", "oneOf"].includes(keyword) && !value.some?.(shapes);
      if (!overlapping) out[keyword] = value;
    } else if (ANNOTATIONS.has(keyword) || JUDGEMENTS.has(keyword)) continue;
    else if (LARGER.has(keyword)) out[keyword] = Math.max(out[keyword], value);
    else if (SMALLER.has(keyword)) out[keyword] = Math.min(out[keyword], value);
    else if (keyword === "required") out.required = [...new Set([...out.required, ...value])];
    else if (keyword === "properties") out.properties = both(out.properties, value);
    else if (keyword === "type") {
      const types = intersection([out.type].flat(), [value].flat());
      if (!types.length) return undefined;
      out.type = types.length === 1 ? types[0] : types;
    } else if (keyword === "enum") {
      out.enum = out.enum.filter((one) => value.some((other) => JSON.stringify(one) === JSON.stringify(other)));
    } else if (keyword === "additionalProperties" && (value === true || out[keyword] === true)) {
      out[keyword] = value === true ? out[keyword] : value;
    } else if (JSON.stringify(out[keyword]) !== JSON.stringify(value)) {
      if (!["anyOf", "oneOf"].includes(keyword) || value.some?.(shapes)) return undefined;
    }
  }
  return out;
}

function both(outer, inner) {
  const out = { ...outer };
  for (const [name, value] of Object.entries(inner)) {
    const merged = Object.hasOwn(out, name) && JSON.stringify(out[name]) !== JSON.stringify(value) ? { allOf: [out[name], value] } : value;
    Object.defineProperty(out, name, { value: merged, writable: true, enumerable: true, configurable: true });
  }
  return out;
}

function intersection(one, other) {
  const wide = (types) => (types.includes("number") ? [...types, "integer"] : types);
  const types = wide(one).filter((type) => wide(other).includes(type));
  return types.includes("number") ? types.filter((type) => type !== "integer") : types;
}

/**
 * What a reference within a document stands for: `#`, `#/pointer`, `#anchor`, or the `$id` of a part, with a fragment or without.
 *
 * @returns {Object|boolean|undefined}
 */
export function resolve(root, reference) {
  const [base, fragment = ""] = reference.split("#");
  const owner = base === "" || base === root?.$id ? root : find(root, (part) => part.$id === base || part.id === base);
  if (owner === undefined) return undefined;
  let pointer = fragment;
  try {
    pointer = decodeURIComponent(fragment);
  } catch {
    // Kept as it is.
  }
  if (pointer === "") return owner;
  if (!pointer.startsWith("/")) return find(owner, (part) => [part.$anchor, part.$dynamicAnchor].includes(pointer) || part.$id === `#${pointer}`);
  let part = owner;
  for (const step of pointer.slice(1).split("/")) {
    const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
    if (part === null || typeof part !== "object" || !Object.hasOwn(part, name)) return undefined;
    part = part[name];
  }
  return isSchema(part) ? part : undefined;
}

function find(root, wanted) {
  const waiting = [root];
  while (waiting.length) {
    const part = waiting.pop();
    if (part === null || typeof part !== "object") continue;
    if (!Array.isArray(part) && wanted(part)) return part;
    waiting.push(...Object.values(part));
  }
  return undefined;
}
