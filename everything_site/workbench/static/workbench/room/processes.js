/**
 * The processes behind the address, as the relay of `runserver --processes` lists them at `/-/processes`. It can kill and
 * start them, and sends a request to the one that `X-Try-Process` names. Elsewhere there is no such list.
 */

import { later } from "../base/timers.js";

const PATH = "/-/processes";
const NONE = "Needs `runserver --processes 3`: only its relay can choose and kill processes.";
const EVERY = 1000; // milliseconds
const PAUSES = [1000, 2000, 4000, 8000]; // while nobody answers

/** Dispatches `change` when the list is new. */
export class Processes extends EventTarget {
  #watch = null; // {cancel}

  constructor({ fetch: send = (...args) => fetch(...args), after = later } = {}) {
    super();
    this._fetch = send;
    this._after = after;
    this.list = []; // [{name, state, pid, starts_in}]; the states are up, starting and dead
    this.isAvailable = false;
    this.whyNot = NONE;
  }

  get alive() {
    return this.list.filter(({ state }) => state === "up");
  }

  /** What the relay says of a process; undefined if nothing. */
  find(name) {
    return this.list.find((one) => one.name === name);
  }

  /** Ask once. Gives whether there was an answer, be it that there is no relay. */
  async refresh() {
    let response;
    try {
      response = await this._fetch(PATH, { cache: "no-store", credentials: "omit", headers: { Accept: "application/json" } });
    } catch {
      return false; // the list stays as it was: the server may come back
    }
    this.isAvailable = response.ok && (response.headers.get("content-type") ?? "").startsWith("application/json");
    if (this.isAvailable) this.list = (await response.json()).processes;
    this.dispatchEvent(new Event("change"));
    return true;
  }

  /** Ask now and every second, less often while nobody answers, and no more if there is no relay. */
  watch() {
    if (this.#watch) return;
    const watch = { cancel: () => {} };
    this.#watch = watch;
    watch.cancel = this._after(0, () => this.#look(watch, 0));
  }

  unwatch() {
    this.#watch?.cancel();
    this.#watch = null;
  }

  async #look(watch, failures) {
    const answers = await this.refresh();
    if (this.#watch !== watch || (answers && !this.isAvailable)) return;
    const pause = answers ? EVERY : PAUSES[Math.min(failures, PAUSES.length - 1)];
    watch.cancel = this._after(pause, () => this.#look(watch, answers ? 0 : failures + 1));
  }

  kill(name) {
    return this.#post(name, "kill");
  }

  start(name) {
    return this.#post(name, "start");
  }

  async #post(name, what) {
    const response = await this._fetch(`${PATH}/${encodeURIComponent(name)}/${what}`, {
      method: "POST",
      headers: { "X-Requested-With": "workbench" }, // forces a preflight for other origins, which the relay refuses
      credentials: "omit",
    });
    const said = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(said.error ?? `The relay answered ${response.status}.`);
    this.list = said.processes;
    this.dispatchEvent(new Event("change"));
  }
}
