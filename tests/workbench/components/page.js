/** What the tests put on the stage; `window.stage` is theirs to call. */

import "/static/workbench/apps/app_frame.js";
import "/static/workbench/forms/form.js";
import "/static/workbench/questions/questions.js";
import { parse, stringify } from "/static/workbench/base/json.js";
import { renderError, renderPrompt, renderResource, renderResult } from "/static/workbench/results/results.js";

const place = document.getElementById("stage");
const said = { ran: [], answers: [], calls: [], logged: [], violations: [] };
document.addEventListener("securitypolicyviolation", (event) => said.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
window.addEventListener("error", (event) => said.violations.push(event.message));
window.addEventListener("unhandledrejection", (event) => said.violations.push(String(event.reason)));

window.addEventListener("message", ({ data }) => data?.method === "notifications/message" && said.logged.push(data.params.data));

const put = (node) => {
  place.replaceChildren(node);
  return node;
};

window.stage = {
  said,
  form(schema, value, completions) {
    const form = put(document.createElement("es-form"));
    form.schema = schema;
    if (value !== undefined) form.value = value;
    if (completions) form.complete = async (name, text, context) => (said.calls.push([name, text, context]), completions.filter((one) => one.startsWith(text)));
    form.submitLabel = "Run";
    form.addEventListener("run", ({ detail }) => said.ran.push([stringify(detail.value), detail.errors.length]));
    document.title = "Form";
  },
  parse,
  value: () => stringify(place.firstChild.value),
  result: (result, tool, read) => void put(renderResult(result, { tool, read: async () => read })),
  resource: (result) => void put(renderResource(result)),
  prompt: (result) => void put(renderPrompt(result)),
  error: (error) => void put(renderError(error, { method: "tools/call" })),
  questions(...questions) {
    const dock = document.querySelector("es-questions") ?? put(document.createElement("es-questions"));
    for (const question of questions)
      dock.ask(question).then((answer) => said.answers.push([question.id, answer]), (error) => said.answers.push([question.id, error.name, error.code]));
  },
  app(resource, tool, args, result, tools) {
    const app = put(document.createElement("es-app-frame"));
    app.show({ resource, tool, arguments: args, result, tools: tools && new Map(tools.map((one) => [one.name, one])), call: async (name, given) => (said.calls.push([name, given]), result), read: async () => resource });
  },
  many(...blocks) {
    place.replaceChildren();
    for (const [title, kind, ...rest] of blocks) {
      const heading = document.createElement("h2");
      heading.textContent = title;
      const before = [...place.childNodes];
      window.stage[kind](...rest);
      const node = place.lastChild;
      place.replaceChildren(...before, heading, node);
    }
  },
};
document.title = "Ready";
