/** A scene: the tour in motion. One step at a time is performed, and the next one only after what it expects has happened. */

import { later } from "../base/timers.js";
import { check, holds, whyNot } from "./expect.js";

const WITHIN = 60; // seconds that a step has

/**
 * Check a scene, as scenes.json has it.
 *
 * @param {Object} scene
 * @param {string} scene.title
 * @param {string} scene.about
 * @param {{kind: string, name: string, revision: string, args?: Object}} scene.place Where it plays.
 * @param {"relay"} [scene.needs] What it cannot do without.
 * @param {Object[]} scene.steps Each has `say` (what *Next* is about to do), `focus` (the pane to look at), `prepare` (what
 *   *Next* does: an action and its argument, or several), `needs` (what must be so before), `expect` (what must have
 *   happened), `then` (what has been seen), and `within` (seconds).
 * @throws {Error} if a step misses something, or expects what is not in the vocabulary.
 */
export function checkScene({ title, place, steps }) {
  for (const { say, expect, then, needs = {} } of steps) {
    if (!say || !then || !expect) throw new Error(`A step of the scene ${JSON.stringify(title)} needs say, expect and then.`);
    check(expect);
    check(needs);
  }
  if (!place?.name || !steps.length) throw new Error(`The scene ${JSON.stringify(title)} needs a place and steps.`);
}

/**
 * Plays a scene. Dispatches `change`.
 *
 * States: `ready` (the step waits for *Next*), `waiting` (it was performed, and what it expects has not happened yet),
 * `astray` (`why` says what is in the way; `setRight` helps), `over`.
 */
export class Player extends EventTarget {
  #since;
  #isPerformed = false;
  #why = null;
  #goal = 0; // steps before this one are performed without being asked
  #cancelTimer = () => {};

  /**
   * @param {Object} scene
   * @param {Object} options
   * @param {Recording} options.recording What the steps expect happens there.
   * @param {(action: string, argument: any) => Promise<void>} options.perform Does something in the page. `open` begins at a place,
   *   `go` returns to it; both get it.
   * @param {() => boolean} [options.isThere] Whether the page shows the place of the scene.
   * @param {number} [options.step] The step to begin with, from 1.
   * @param {(milliseconds: number, act: () => void) => () => void} [options.after] Acts later, unless what it returns is called.
   */
  constructor(scene, { recording, perform, isThere = () => true, step = 1, after = later }) {
    super();
    checkScene(scene);
    Object.assign(this, { scene, recording, perform, isThere, after });
    this.index = Math.min(Math.max(step, 1), scene.steps.length) - 1;
    this.#since = recording.lastId;
    recording.addEventListener("change", this.look);
    this.look();
  }

  /** The step that is next, or being performed; undefined after the last one. */
  get step() {
    return this.scene.steps[this.index];
  }

  /** What the step before it has shown, or "". */
  get seen() {
    return this.index === 0 ? "" : this.scene.steps[this.index - 1].then;
  }

  get state() {
    if (!this.step) return "over";
    if (this.#why !== null) return "astray";
    return this.#isPerformed ? "waiting" : "ready";
  }

  /** What is in the way, in words; null if nothing is. */
  get why() {
    return this.#why;
  }

  /** Perform the step. Does nothing while one is being performed, or something is in the way. */
  async next() {
    if (this.state !== "ready") return;
    const { step } = this;
    const seconds = step.within ?? WITHIN;
    this.#isPerformed = true;
    this.#cancelTimer = this.after(seconds * 1000, () => this.#stray(`What this step waits for did not happen within ${seconds} seconds.`));
    this.#changed();
    try {
      if (this.index === 0) await this.perform("open", this.scene.place);
      const isDone = holds(step.expect, this.recording, this.#since); // by hand
      for (const [action, argument] of isDone ? [] : Object.entries(step.prepare ?? {})) await this.perform(action, argument);
    } catch (error) {
      if (this.step === step) this.#stray(error.message);
    }
    this.look();
  }

  /** Go to the place of the scene; if what came before this step has not happened there, do it again. */
  async setRight() {
    const { index } = this;
    this.#begin(index);
    try {
      await this.perform("go", this.scene.place);
    } catch (error) {
      this.#stray(error.message);
      return;
    }
    if (this.#obstacle() !== null) {
      this.restart();
      this.#goal = index;
    }
    if (this.index < this.#goal) await this.next();
    else this.look();
  }

  /** From the first step on. */
  restart() {
    this.#since = this.recording.lastId;
    this.#begin(0);
  }

  /** Stop looking at the recording. */
  close() {
    this.recording.removeEventListener("change", this.look);
    this.#cancelTimer();
  }

  /** Look whether the step has happened, and whether it still can. */
  look = () => {
    if (this.state === "over") return;
    if (this.#isPerformed) {
      if (holds(this.step.expect, this.recording, this.#since)) this.#advance();
      else if (this.#isTooLate) this.#stray(whyNot(this.step.needs));
      return;
    }
    const obstacle = this.#obstacle();
    if (obstacle !== null) this.#stray(obstacle);
    else if (this.state === "astray") this.#begin(this.index);
  };

  get #isTooLate() {
    const { needs } = this.step;
    return needs !== undefined && !holds(needs, this.recording, this.#since);
  }

  #advance() {
    this.#begin(this.index + 1);
    if (this.index < this.#goal) this.next();
    else this.look();
  }

  #obstacle() {
    if (this.index === 0) return null; // the step opens its place
    if (!this.isThere()) return "You have left the page of this scene.";
    const before = this.scene.steps.slice(0, this.index);
    if (!before.every(({ expect }) => holds(expect, this.recording, this.#since))) return "The steps before this one have not been played here.";
    return this.#isTooLate ? whyNot(this.step.needs) : null;
  }

  #begin(index) {
    this.#cancelTimer();
    this.index = index;
    this.#isPerformed = false;
    this.#why = null;
    this.#changed();
  }

  #stray(why) {
    if (this.#why === why) return;
    this.#goal = 0;
    this.#why = why;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
