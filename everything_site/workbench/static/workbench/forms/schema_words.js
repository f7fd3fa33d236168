/** What a schema demands, in sentences. */

import { stringify } from "../base/json.js";

const many = (count, one, more = `${one}s`) => `${count} ${count === 1 ? one : more}`;

function range(least, most, one, more) {
  const [from, to] = [least > 0, Number.isFinite(most)];
  if (from && to) return least === most ? `Exactly ${many(least, one, more)}.` : `${least} to ${many(most, one, more)}.`;
  if (from) return `At least ${many(least, one, more)}.`;
  return to ? `At most ${many(most, one, more)}.` : "";
}

function bounds({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }) {
  // Draft-04 wrote booleans beside minimum and maximum.
  const above = typeof exclusiveMinimum === "number" ? exclusiveMinimum : exclusiveMinimum === true ? minimum : undefined;
  const below = typeof exclusiveMaximum === "number" ? exclusiveMaximum : exclusiveMaximum === true ? maximum : undefined;
  if (above === undefined && below === undefined && minimum !== undefined && maximum !== undefined) return `${minimum} to ${maximum}.`;
  const parts = [];
  if (above !== undefined) parts.push(`more than ${above}`);
  else if (minimum !== undefined) parts.push(`at least ${minimum}`);
  if (below !== undefined) parts.push(`less than ${below}`);
  else if (maximum !== undefined) parts.push(`at most ${maximum}`);
  const sentence = parts.join(", ");
  return sentence ? `${sentence[0].toUpperCase()}${sentence.slice(1)}.` : "";
}

const FORMATS = {
  email: "An email address.",
  "idn-email": "An email address.",
  uri: "An absolute URI.",
  "uri-reference": "A URI, absolute or relative.",
  iri: "An absolute IRI.",
  hostname: "A host name.",
  ipv4: "An IPv4 address.",
  ipv6: "An IPv6 address.",
  uuid: "A UUID.",
  regex: "A regular expression.",
  duration: "A duration such as PT5M.",
  "json-pointer": "A JSON pointer.",
};

/**
 * The limits of a node of `schema.js`, each as a sentence.
 *
 * @returns {string[]}
 */
export function sentences({ kind, schema, integer, format, minItems, maxItems, fixed }) {
  const out = [];
  if (kind === "string") {
    if (FORMATS[format]) out.push(FORMATS[format]);
    out.push(range(schema.minLength, schema.maxLength, "character"));
    if (typeof schema.pattern === "string") out.push(`Matches ${schema.pattern}.`);
  } else if (kind === "number") {
    const limits = bounds(schema);
    out.push(integer && limits ? `A whole number: ${limits[0].toLowerCase()}${limits.slice(1)}` : integer ? "A whole number." : limits);
    if (schema.multipleOf > 0 && schema.multipleOf !== 1) out.push(`A multiple of ${schema.multipleOf}.`);
  } else if (kind === "list" || kind === "choices") {
    if (!fixed || fixed !== maxItems) out.push(range(minItems, maxItems, "item"));
    if (schema.uniqueItems === true) out.push("No duplicates.");
  } else if (kind === "object") {
    out.push(range(schema.minProperties, schema.maxProperties, "property", "properties"));
    for (const [name, others] of Object.entries(schema.dependentRequired ?? {})) if (Array.isArray(others)) out.push(`${name} also requires ${others.join(", ")}.`);
  }
  return out.filter(Boolean);
}

/** A message of the validator as a person would put it. */
export function complaint({ keyword, error }, value) {
  const size = /\(\d+ [<>] (\d+)\)/.exec(error)?.[1];
  switch (keyword) {
    case "type": {
      const expected = /Expected "(.+)"\.$/.exec(error)?.[1].split('", "') ?? [];
      const words = { string: "text", integer: "a whole number", number: "a number", boolean: "true or false", array: "a list", object: "an object", null: "null" };
      const known = expected.map((type) => words[type] ?? type);
      return `This must be ${known.length > 1 ? `${known.slice(0, -1).join(", ")} or ${known.at(-1)}` : known[0]}.`;
    }
    case "minLength":
      return value === "" ? "This must not be empty." : `This needs at least ${many(Number(size), "character")}.`;
    case "maxLength":
      return `This is longer than ${many(Number(size), "character")}.`;
    case "minItems":
      return `This needs at least ${many(Number(size), "item")}.`;
    case "maxItems":
      return `This has more than ${many(Number(size), "item")}.`;
    case "enum":
      return `This must be one of ${/any of \[(.*)\]\.$/s.exec(error)?.[1].replaceAll(",", ", ") ?? "the listed values"}.`;
    case "const":
      return `This must be ${/match (.*)\.$/s.exec(error)?.[1] ?? "another value"}.`;
    case "format":
      return `This is not a valid ${/format "(.+)"/.exec(error)?.[1] ?? "value"}.`;
    case "pattern":
      return "This does not match the pattern.";
    case "minimum":
    case "maximum":
    case "exclusiveMinimum":
    case "exclusiveMaximum":
    case "multipleOf":
      return `${error[0].toUpperCase()}${error.slice(1)}`.replace(/ {2,}/g, " ");
    case "uniqueItems":
      return "Two items are the same.";
    case "false":
      return "This is not allowed here.";
    case "anyOf":
    case "oneOf":
      return "This fits none of the alternatives, or more than one.";
    case "not":
      return "This value is ruled out by “not”.";
    default:
      return error.replace(/^Instance/, "The value");
  }
}

/** A value on one line, cut to a readable length. */
export function brief(value, length = 60) {
  const text = stringify(value);
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
