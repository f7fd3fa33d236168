/**
 * The processes behind the address, as the relay of `runserver --processes` lists them at `/-/processes`. It can kill and
 * start them, and sends a request to the one that `X-Try-Process` names. Elsewhere there is no such list.
 */

const PATH = "/-/processes";
const NONE = "Needs `runserver --processes 3`: only its relay can choose and kill processes.";

/** Dispatches `change` when the list is new. */
export class Processes extends EventTarget {
  constructor({ fetch: send = (...args) => fetch(...args) } = {}) {
    super();
    this._fetch = send;
    this.list = []; // [{name, state}]; the states are up, starting and dead
    this.isAvailable = false;
    this.whyNot = NONE;
  }

  get alive() {
    return this.list.filter(({ state }) => state === "up");
  }

  async refresh() {
    try {
      const response = await this._fetch(PATH, { headers: { Accept: "application/json" }, credentials: "omit" });
      if (!response.ok || !response.headers.get("content-type")?.startsWith("application/json")) throw new Error(NONE);
      this.list = (await response.json()).processes;
      this.isAvailable = true;
    } catch {
      this.isAvailable = false;
    }
    this.dispatchEvent(new Event("change"));
    return this.isAvailable;
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
    if (!response.ok) throw new Error(`The relay answered ${response.status}.`);
    await this.refresh();
  }
}
