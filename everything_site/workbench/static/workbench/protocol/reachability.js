/** Whether the server answers: learnt from the recording, and asked after when a connection broke. */

import { later } from "../base/timers.js";

const RETRY_SECONDS = [1, 2, 4, 8];

/** Dispatches `change` when the server is gone, when the next attempt is set, and when the server is back. */
export class Reachability extends EventTarget {
  #attempt = 0;
  #isAsking = false;
  #cancelTimer = () => {};

  /**
   * @param {Recording} recording
   * @param {Object} options
   * @param {() => Promise<boolean>} options.probe Asks the server whether it is there.
   * @param {(milliseconds: number, act: () => void) => () => void} [options.after] Acts later, unless what it returns is called.
   */
  constructor(recording, { probe, after = later }) {
    super();
    Object.assign(this, { probe, after });
    this.isGone = false;
    this.until = null; // when it is asked again, in milliseconds since 1970; null while it is asked
    recording.addEventListener("change", ({ detail: { exchange, kind } }) => {
      if (kind === "end" && exchange.error && !exchange.cut && !this.isGone) this.ask();
    });
  }

  /** Ask now. */
  async ask() {
    if (this.#isAsking) return;
    this.#cancelTimer();
    this.#isAsking = true;
    this.until = null;
    if (this.isGone) this.#changed();
    const isThere = await this.probe().catch(() => false);
    this.#isAsking = false;
    const wasGone = this.isGone;
    this.isGone = !isThere;
    if (isThere) {
      this.#attempt = 0;
      if (wasGone) this.#changed();
      return;
    }
    const seconds = RETRY_SECONDS[Math.min(this.#attempt, RETRY_SECONDS.length - 1)];
    this.#attempt += 1;
    this.until = Date.now() + seconds * 1000;
    this.#cancelTimer = this.after(seconds * 1000, () => this.ask());
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
