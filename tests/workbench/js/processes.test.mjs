import assert from "node:assert/strict";
import { test } from "node:test";

import { Processes } from "../../../everything_site/workbench/static/workbench/room/processes.js";

/** A relay that is there, gone, or none at all, and the time until it is asked again. */
class World {
  answer = () => Response.json({ processes: [{ name: "p1", state: "up", pid: 1 }] });
  waits = [];
  next = null;
  processes = new Processes({
    fetch: async () => this.answer(),
    after: (milliseconds, act) => {
      this.waits.push(milliseconds / 1000);
      this.next = act;
      return () => (this.next = null);
    },
  });

  async look(times) {
    for (let time = 0; time < times; time += 1) await this.next();
  }
}

const gone = () => {
  throw new TypeError("Failed to fetch");
};

test("the relay is asked every second, and less and less often while it does not answer", async () => {
  const world = new World();
  world.processes.watch();
  await world.look(2);
  world.answer = gone;
  await world.look(5);
  assert.deepEqual(world.waits, [0, 1, 1, 1, 2, 4, 8, 8]);
  assert.equal(world.processes.find("p1").state, "up", "the last state stays");
});

test("a relay that answers again is asked every second", async () => {
  const world = new World();
  const { answer } = world;
  world.answer = gone;
  world.processes.watch();
  await world.look(3);
  world.answer = answer;
  await world.look(2);
  assert.deepEqual(world.waits.slice(-2), [1, 1]);
});

test("where there is no relay, it is asked once", async () => {
  const world = new World();
  world.answer = () => new Response("<h1>Not found</h1>", { status: 404 });
  world.processes.watch();
  await world.look(1);
  assert.deepEqual(world.waits, [0]);
  assert.equal(world.processes.isAvailable, false);
});

test("nobody asks any more when the last one has stopped watching", async () => {
  const world = new World();
  world.processes.watch();
  await world.look(1);
  world.processes.unwatch();
  assert.equal(world.next, null);
});

test("what the relay refuses is said in its words", async () => {
  const world = new World();
  world.answer = () => Response.json({ error: "p1 is not running." }, { status: 409 });
  await assert.rejects(world.processes.kill("p1"), { message: "p1 is not running." });
});
