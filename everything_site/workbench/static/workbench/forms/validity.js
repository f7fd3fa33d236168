/** Whether a value matches a JSON Schema, and what is wrong with it, place by place. */

import { approximate, stringify } from "../base/json.js";
import { Validator } from "../vendor/json-schema/validator.js";
import { complaint } from "./schema_words.js";

/** Errors that only repeat that something beneath is wrong. */
const WRAPPERS = new Set([
  "$ref", "$recursiveRef", "$dynamicRef", "properties", "patternProperties", "additionalProperties", "unevaluatedProperties",
  "items", "prefixItems", "additionalItems", "unevaluatedItems", "allOf", "if", "dependentSchemas",
]); // prettier-ignore
const MAX_ERRORS = 50;

function draftOf(schema) {
  const named = typeof schema?.$schema === "string" ? schema.$schema : "";
  if (named.includes("draft-04")) return "4";
  if (named.includes("draft-06") || named.includes("draft-07")) return "7";
  return named.includes("2019-09") ? "2019-09" : "2020-12";
}

/** A JSON pointer (RFC 6901) of names and indexes. */
export const pointer = (...steps) => steps.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

const decoded = (location) => {
  const path = location.replace(/^#/, "");
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
};

const missing = ({ error }) => /property "(.*)"\.$/s.exec(error)?.[1] ?? "";

/** An error of alternatives that differ only in what they require says what that is. */
function namesMissing(error, branches) {
  const isMissing = (one) => one.keyword === "required" && one.instanceLocation === error.instanceLocation;
  if (!branches.length || !branches.flat().every(isMissing)) return error;
  const sets = branches.map((branch) => branch.map(missing).join(" and "));
  return { ...error, keyword: "alternatives", error: `Either ${[...new Set(sets)].join(" or ")} is required.` };
}

/**
 * Of an anyOf or oneOf without match only that fact, or, if the value is plainly meant for one branch, what that branch says.
 */
function mostTelling(all) {
  let errors = all;
  for (const one of all.filter(({ keyword }) => keyword === "anyOf" || keyword === "oneOf")) {
    if (!errors.includes(one)) continue;
    const isWithin = (other) => other !== one && other.keywordLocation.startsWith(`${one.keywordLocation}/`) && `${other.instanceLocation}/`.startsWith(`${one.instanceLocation}/`);
    const branches = new Map();
    for (const other of errors.filter(isWithin)) {
      const branch = other.keywordLocation.slice(one.keywordLocation.length + 1).split("/")[0];
      branches.set(branch, [...(branches.get(branch) ?? []), other]);
    }
    const meant = [...branches.values()].filter((branch) => !branch.some(({ keyword, instanceLocation }) => keyword === "const" || (keyword === "type" && instanceLocation === one.instanceLocation)));
    const kept = meant.length === 1 ? meant[0] : [namesMissing(one, [...branches.values()])];
    errors = errors.flatMap((other) => (other === one ? kept : isWithin(other) ? [] : [other]));
  }
  return errors;
}

/**
 * Hold a value against a schema.
 *
 * @param {Object|boolean} schema JSON Schema 2020-12, unless `$schema` names an older draft.
 * @param {*} value JSON, with `ExactNumber`s where needed; `undefined` if there is none.
 * @returns {{errors: {path: string, message: string}[], fault?: string}} Paths are JSON pointers. `fault` says why the schema
 *   itself cannot be used; then nothing is known about the value.
 */
export function check(schema, value) {
  if (value === undefined) return { errors: [{ path: "", message: "A value is required." }] };
  const plain = approximate(value);
  let result;
  try {
    const own = JSON.parse(stringify(schema)); // the validator writes into its schema
    result = new Validator(own, draftOf(schema), false).validate(plain);
  } catch (error) {
    return { errors: [], fault: `The schema cannot be used: ${error.message.split("\n")[0]}` };
  }
  const errors = new Map();
  for (const one of mostTelling(result.errors)) {
    if (WRAPPERS.has(one.keyword)) continue;
    let path = decoded(one.instanceLocation);
    let message = complaint(one, at(plain, path));
    if (one.keyword === "required") {
      path += pointer(missing(one));
      message = "This is required.";
    }
    const key = `${path} ${message}`;
    if (!errors.has(key)) errors.set(key, { path, message });
    if (errors.size >= MAX_ERRORS) break;
  }
  if (!result.valid && !errors.size) errors.set("", { path: "", message: "The value does not match the schema." });
  return { errors: [...errors.values()] };
}

function at(value, path) {
  for (const step of path.split("/").slice(1)) value = value?.[step.replaceAll("~1", "/").replaceAll("~0", "~")];
  return value;
}
