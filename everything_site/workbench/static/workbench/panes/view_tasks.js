/** The tasks that were started here: how they are, what they ask, and how they ended. */

import { fill, h } from "../base/dom.js";
import { errorLine, jsonDetails, viewHead } from "../base/parts.js";
import { availability, has } from "../protocol/revisions.js";
import { Tasks } from "../protocol/tasks.js";
import { renderError, renderResult } from "../results/results.js";

const WORDS = { working: "Working", input_required: "Asks you", completed: "Done", failed: "Failed", cancelled: "Cancelled" };

export function tasksView(app) {
  const list = h("div", { class: "wb-runs" });
  const show = () => {
    if (!has(app.client.revision, "tasks")) {
      fill(list, h("p", { class: "wb-note" }, `Tasks exist ${availability("tasks")}. Choose that revision above.`));
      return;
    }
    const tasks = [...app.tasks.all.values()].reverse();
    fill(list, tasks.length ? tasks.map((task) => card(app, task)) : h("p", { class: "wb-note" }, "No tasks yet. At 2026-07-28, a call of ", h("a", { href: "#/tools/slow_compute?rev=2026-07-28" }, "slow_compute"), " becomes one."));
  };
  app.tasks.addEventListener("change", show);
  show();
  return {
    node: h("div", { class: "wb-view" }, viewHead({ title: "Tasks", about: "Calls that outlive their request. They are followed by polling tasks/get, or on a stream." }), list),
    title: "Tasks",
    apply() {},
  };
}

function card(app, task) {
  const hasEnded = Tasks.hasEnded(task);
  const attempt = (work) => async () => {
    try {
      await work();
    } catch (error) {
      Object.assign(task, { error });
      app.tasks.dispatchEvent(new Event("change"));
    }
  };
  const outcome = task.result ? renderResult(task.result, { read: (uri) => app.client.request("resources/read", { uri }) }) : task.error?.code ? renderError(task.error, { method: "tasks/get" }) : null;
  return h(
    "article",
    { class: "wb-call", "aria-label": `Task ${task.title}`, dataset: { state: { completed: "done", failed: "failed", cancelled: "cancelled", input_required: "asking" }[task.status] ?? "streaming" } },
    h(
      "div",
      { class: "wb-call-head" },
      h("span", { class: "wb-state" }, WORDS[task.status] ?? task.status),
      h("strong", {}, task.title),
      h("code", {}, `${task.taskId.slice(0, 8)}…`),
      h("span", { class: "wb-said" }, task.statusMessage),
      !hasEnded &&
        h(
          "span",
          { class: "wb-call-tools" },
          h("button", { type: "button", onclick: attempt(() => app.tasks.get(task)) }, "Ask now"),
          h("button", { type: "button", disabled: task.follows === "listen", onclick: attempt(async () => app.tasks.listen(task)) }, task.follows === "listen" ? "Listening" : "Listen"),
          h("button", { type: "button", onclick: attempt(() => app.tasks.cancel(task)) }, "Cancel"),
        ),
    ),
    task.status === "input_required" && h("p", { class: "wb-wait" }, "Waiting for your answer under Questions."),
    task.error && !task.error.code && errorLine(task.error),
    outcome,
    jsonDetails("Task", { ...task, asked: undefined, stream: undefined }),
  );
}
