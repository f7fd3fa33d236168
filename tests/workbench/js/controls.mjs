/** The controls of the tools on standard input, as `{tool: {argument: kind}}` on standard output. */

import { readFileSync } from "node:fs";

import { describe, initial } from "../../../everything_site/workbench/static/workbench/forms/schema.js";
import { check } from "../../../everything_site/workbench/static/workbench/forms/validity.js";

function controls(node, name) {
  if (node.kind === "object") return Object.assign({}, ...node.fields.map((field) => controls(field.node(), name ? `${name}.${field.name}` : field.name)));
  return { [name]: node.kind === "list" ? `list of ${node.item(0).kind}` : node.kind };
}

const tools = JSON.parse(readFileSync(0, "utf-8"));
const out = tools.map(({ name, inputSchema }) => {
  const node = describe(inputSchema);
  const { errors, fault } = check(inputSchema, initial(node));
  const isMissing = ({ message }) => message.endsWith("is required.");
  return [name, { controls: controls(node, ""), fault: fault ?? null, wrong: errors.filter((error) => !isMissing(error)) }];
});
process.stdout.write(JSON.stringify(Object.fromEntries(out)));
