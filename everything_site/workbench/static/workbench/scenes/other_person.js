/** A second person in the same page: signed in beside the first one, for as long as a scene needs it. */

import { prepareConsent } from "../oauth/consent.js";
import { Tokens } from "../oauth/tokens.js";
import { Client } from "../protocol/client.js";

const LANE = "Other person";
const REVISION = "2026-07-28"; // whose requests stand alone, so that no second session is opened

/** What is kept in memory only: as much of a `Storage` as tokens need. */
class Memory {
  #kept = new Map();
  getItem = (key) => this.#kept.get(key) ?? null;
  setItem = (key, value) => void this.#kept.set(key, value);
  removeItem = (key) => void this.#kept.delete(key);
}

export class OtherPerson {
  #app;
  #tokens;

  constructor(app) {
    this.#app = app;
    this.#tokens = new Tokens({ recording: app.recording, storage: new Memory(), resource: app.url });
  }

  /** Sign in, in a window. To be called in a click. */
  async signIn() {
    const flow = this.#app.newSignIn();
    prepareConsent(flow);
    await this.leave();
    this.#tokens.set(await flow.run());
  }

  /** Read a resource, which the server should refuse. */
  async read({ uri }) {
    if (!this.#tokens.access) throw new Error("The other person is not signed in.");
    const client = new Client({ url: this.#app.url, recording: this.#app.recording, budget: this.#app.budget, token: () => this.#tokens.access });
    client.revision = REVISION;
    try {
      await client.request("resources/read", { uri }, { lane: LANE });
    } catch (error) {
      if (error.code) return; // as it should be
      throw error;
    }
    throw new Error("This person may read the note, so it is the one who created it. Play the scene again, and choose somebody else.");
  }

  /** Revoke the tokens. */
  async leave() {
    await this.#tokens.revoke().catch(() => {}); // they expire
  }
}
