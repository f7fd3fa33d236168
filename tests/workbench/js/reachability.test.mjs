import assert from "node:assert/strict";
import { test } from "node:test";

import { Reachability } from "../../../everything_site/workbench/static/workbench/protocol/reachability.js";
import { Recording } from "../../../everything_site/workbench/static/workbench/wire/recording.js";

/** A server that is there or not, and the time until it is asked again. */
class World {
  recording = new Recording();
  isThere = false;
  asked = 0;
  waits = [];
  next = null;
  reachability = new Reachability(this.recording, {
    probe: async () => {
      this.asked += 1;
      return this.isThere;
    },
    after: (milliseconds, act) => {
      this.waits.push(milliseconds / 1000);
      this.next = act;
      return () => {};
    },
  });

  async breaks(how = { error: "failed" }) {
    this.recording.begin({ request: { method: "GET", path: "/mcp" } }).end(how);
    await new Promise(setImmediate);
  }

  async again() {
    await this.next();
  }
}

test("a server that is gone is asked after 1, 2, 4 and 8 seconds, and then every 8, until it is back", async () => {
  const world = new World();
  await world.breaks();
  assert.equal(world.reachability.isGone, true);
  for (let attempt = 0; attempt < 4; attempt += 1) await world.again();
  assert.deepEqual(world.waits, [1, 2, 4, 8, 8]);
  world.isThere = true;
  await world.again();
  assert.equal(world.reachability.isGone, false);
  world.isThere = false;
  await world.breaks();
  assert.equal(world.waits.at(-1), 1);
});

test("a connection that breaks while the server is there, as when one process of several dies, changes nothing", async () => {
  const world = new World();
  world.isThere = true;
  let changes = 0;
  world.reachability.addEventListener("change", () => (changes += 1));
  await world.breaks();
  assert.deepEqual([world.asked, changes, world.reachability.isGone], [1, 0, false]);
});

test("a stream that a person cuts says nothing about the server", async () => {
  const world = new World();
  await world.breaks({ cut: true });
  assert.equal(world.asked, 0);
});
