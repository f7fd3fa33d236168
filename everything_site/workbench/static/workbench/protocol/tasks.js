/** The tasks that this tab has started (the tasks extension of 2026-07-28): followed by polling, or on a stream. */

const ENDED = new Set(["completed", "failed", "cancelled"]);
const POLL_AFTER = 1000; // milliseconds, unless the task says otherwise

/** Dispatches `change` when a task is new or has changed. */
export class Tasks extends EventTarget {
  constructor(client) {
    super();
    this.client = client;
    this.all = new Map(); // by id, oldest first
    client.addEventListener("notification", ({ detail }) => {
      if (detail.message.method === "notifications/tasks") this.#heard(detail.message.params);
    });
  }

  get running() {
    return [...this.all.values()].filter(({ status }) => !ENDED.has(status)).length;
  }

  /** A call was answered with a task. It is followed until it ends. */
  add(summary, title) {
    const task = { ...summary, title, follows: "poll", asked: new Set(), error: null };
    this.all.set(task.taskId, task);
    this.#changed();
    this.#poll(task);
    return task;
  }

  static hasEnded = ({ status }) => ENDED.has(status);

  /** Ask how it is. */
  async get(task) {
    this.#heard(await this.client.request("tasks/get", { taskId: task.taskId }));
  }

  async cancel(task) {
    await this.client.request("tasks/cancel", { taskId: task.taskId });
    await this.get(task);
  }

  /** Follow it on a stream of notifications instead of polling; or poll again. */
  listen(task) {
    task.stream = this.client.listen({ taskIds: [task.taskId] });
    task.follows = "listen";
    task.stream.promise.catch(() => {}).finally(() => {
      if (task.follows !== "listen") return;
      task.follows = "poll";
      this.#poll(task);
    });
    this.#changed();
  }

  async #poll(task) {
    while (!Tasks.hasEnded(task) && task.follows === "poll") {
      await new Promise((resolve) => setTimeout(resolve, task.pollIntervalMs ?? POLL_AFTER));
      if (task.follows !== "poll" || !this.client.isConnected) return;
      try {
        await this.get(task);
      } catch (error) {
        Object.assign(task, { error, follows: "nothing" });
        this.#changed();
      }
    }
  }

  #heard(state) {
    const task = this.all.get(state.taskId);
    if (!task) return;
    const { resultType, _meta, ...fields } = state;
    Object.assign(task, fields);
    if (task.status === "input_required") for (const [key, request] of Object.entries(task.inputRequests ?? {})) this.#ask(task, key, request);
    if (Tasks.hasEnded(task)) {
      for (const key of task.asked) this.client.withdraw(`${task.taskId}/${key}`, `The task is ${task.status}.`);
      task.stream?.cancel("The task has ended.");
    }
    this.#changed();
  }

  /** A question of a task, asked once; its answer goes to `tasks/update`. */
  async #ask(task, key, request) {
    if (task.asked.has(key)) return;
    task.asked.add(key);
    try {
      const answer = await this.client.ask({ id: `${task.taskId}/${key}`, ...request }, { call: null, asker: `Task of ${task.title}` });
      await this.client.request("tasks/update", { taskId: task.taskId, inputResponses: { [key]: answer } });
      if (task.follows === "poll") await this.get(task);
    } catch (error) {
      if (error.name !== "Withdrawn") Object.assign(task, { error });
      task.asked.delete(key);
      this.#changed();
    }
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
