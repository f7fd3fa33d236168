/** Answers to the server's questions that need no person: to sampling without a model, and the roots of this client. */

const MODEL = "nobody (the workbench answers)";
const STORE = "workbench:answers";

/** What a client says when its person refuses: 2025-11-25, client/sampling, "Error Handling". */
export const REFUSAL = Object.freeze({ code: -1, message: "User rejected sampling request" });

export const DEFAULT_ROOTS = Object.freeze([{ uri: "file:///home/alice/project", name: "Project" }]);

/** An error as an answer: `ask` rejects with it. */
export function refusal({ code, message, name = "Refused" }) {
  return Object.assign(new Error(message), { code, name });
}

const blocks = (content) => (Array.isArray(content) ? content : content ? [content] : []);

/** The text of the latest message, results of tools included. */
export function lastText({ messages = [] }) {
  const parts = blocks(messages.at(-1)?.content).flatMap((block) => (block.type === "tool_result" ? blocks(block.content) : [block]));
  return parts.map((part) => part.text ?? `[${part.type}]`).join("\n");
}

/** Whether the latest message brings results of tools. */
export function hasToolResult({ messages = [] }) {
  return blocks(messages.at(-1)?.content).some(({ type }) => type === "tool_result");
}

/** A message of the assistant. */
export function message(text, { model = MODEL, stopReason = "endTurn" } = {}) {
  return { role: "assistant", content: { type: "text", text }, model, stopReason };
}

/** Give back what was said last. */
export function echo(params) {
  return message(lastText(params));
}

/** The tool that a model would be most likely to call: the one that must be used, or the first. */
export function toolFor({ tools = [] }) {
  return tools[0];
}

/** Arguments for a tool, from the numbers and words of a text. */
export function argumentsFrom(schema, text) {
  const numbers = (text.match(/-?\d+(\.\d+)?/g) ?? []).map(Number);
  const out = {};
  for (const [name, property] of Object.entries(schema?.properties ?? {})) {
    const types = [property.type].flat();
    if ("default" in property) out[name] = property.default;
    else if (Array.isArray(property.enum)) out[name] = property.enum[0];
    else if (types.includes("integer")) out[name] = Math.round(numbers.shift() ?? 1);
    else if (types.includes("number")) out[name] = numbers.shift() ?? 1;
    else if (types.includes("boolean")) out[name] = true;
    else if (types.includes("string")) out[name] = text;
  }
  return out;
}

/** Call the tool on offer, or, when its result has come, report it. */
export function useTool(params) {
  const tool = toolFor(params);
  if (!tool) return echo(params);
  if (hasToolResult(params)) return message(`The tool says: ${lastText(params)}`);
  const count = (params.messages ?? []).flatMap(({ content }) => blocks(content)).filter(({ type }) => type === "tool_use").length;
  const use = { type: "tool_use", id: `call-${count + 1}`, name: tool.name, input: argumentsFrom(tool.inputSchema, lastText(params)) };
  return { role: "assistant", content: [use], model: MODEL, stopReason: "toolUse" };
}

/**
 * What a person has decided for all questions of a kind, remembered in this browser.
 *
 * `sampling` is `ask`, `echo`, `tool` or `refuse`; `roots` is `ask` or `send`; `rootList` the roots themselves.
 */
export class Preferences {
  constructor(storage) {
    this.storage = storage;
    Object.assign(this, { sampling: "ask", roots: "ask", rootList: [...DEFAULT_ROOTS] });
    try {
      const saved = JSON.parse(storage?.getItem(STORE) ?? "{}");
      if (["ask", "echo", "tool", "refuse"].includes(saved.sampling)) this.sampling = saved.sampling;
      if (["ask", "send"].includes(saved.roots)) this.roots = saved.roots;
      if (Array.isArray(saved.rootList)) this.rootList = saved.rootList.filter((root) => typeof root?.uri === "string");
    } catch {
      // Whatever is stored there is not ours; the defaults hold.
    }
  }

  set(changes) {
    Object.assign(this, changes);
    const { sampling, roots, rootList } = this;
    try {
      this.storage?.setItem(STORE, JSON.stringify({ sampling, roots, rootList }));
    } catch {
      // A full or forbidden store: the choice holds until the page is left.
    }
  }

  /** The answer to a question without a person, or `undefined` if a person decides. @throws a `refusal`. */
  automatic({ kind, params }) {
    if (kind === "roots" && this.roots === "send") return { roots: this.rootList };
    if (kind !== "sampling" || this.sampling === "ask") return undefined;
    if (this.sampling === "refuse") throw refusal(REFUSAL);
    return this.sampling === "tool" ? useTool(params) : echo(params);
  }
}
