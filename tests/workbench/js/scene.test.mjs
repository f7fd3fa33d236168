import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Recording } from "../../../everything_site/workbench/static/workbench/wire/recording.js";
import { Player, checkScene } from "../../../everything_site/workbench/static/workbench/scenes/scene.js";
import { holds } from "../../../everything_site/workbench/static/workbench/scenes/expect.js";

const SCENES = JSON.parse(readFileSync(new URL("../../../everything_site/workbench/static/workbench/scenes/scenes.json", import.meta.url)));

const KILL = SCENES.kill;
const message = (fields) => JSON.stringify({ jsonrpc: "2.0", ...fields });

/** What a server would do, told to a recording. */
class World {
  recording = new Recording();
  performed = [];
  timers = [];
  isThere = true;
  total = 10;

  player(scene, options = {}) {
    return new Player(scene, {
      recording: this.recording,
      isThere: () => this.isThere,
      perform: async (action) => void this.performed.push(action),
      after: (_, act) => {
        this.timers.push(act);
        return () => this.timers.splice(this.timers.indexOf(act), 1);
      },
      ...options,
    });
  }

  post(body, servedBy = "p1") {
    return this.#answered({ method: "POST", path: "/mcp", body: message(body) }, servedBy);
  }

  resume(lastEventId, servedBy) {
    return this.#answered({ method: "GET", path: "/mcp", headers: { "Last-Event-ID": lastEventId } }, servedBy);
  }

  call() {
    return this.post({ id: 1, method: "tools/call", params: { name: "x" } });
  }

  progress(exchange, ...values) {
    for (const progress of values) exchange.event({ id: `e-${progress}`, data: message({ method: "notifications/progress", params: { progressToken: 1, progress, total: this.total } }) });
  }

  #answered(request, servedBy) {
    const exchange = this.recording.begin({ request });
    exchange.respond({ status: 200, headers: { "Content-Type": "text/event-stream", "X-Served-By": servedBy } });
    return exchange;
  }
}

test("every scene has what its steps need", () => {
  for (const scene of Object.values(SCENES)) checkScene(scene);
});

test("a step that expects what is not in the vocabulary is refused", () => {
  const steps = [{ say: "a", then: "b", expect: { constructor: 1 } }];
  assert.throws(() => checkScene({ title: "t", place: { name: "x" }, steps }), /constructor/);
});

test("a scene is played to its end, and no step runs ahead of what it expects", async () => {
  const world = new World();
  const player = world.player(KILL);
  await player.next();
  assert.deepEqual(world.performed, ["open", "run"]);
  await player.next(); // too early
  assert.equal(player.state, "waiting");

  const first = world.call();
  world.progress(first, 1);
  assert.equal(player.index, 0);
  world.progress(first, 2);
  assert.equal(player.seen, KILL.steps[0].then);

  await player.next();
  assert.deepEqual(world.performed, ["open", "run", "kill"]);
  world.recording.mark("p1 killed by you", { exchange: first, kind: "killed" });
  first.end({ error: "broken" });
  const second = world.resume("e-2", "p2");
  await player.next();
  world.progress(second, 3, 4, 5, 6, 7, 8, 9, 10);
  await player.next();
  assert.equal(player.state, "waiting");
  second.event({ data: message({ id: 1, result: {} }) });
  assert.equal(player.state, "over");
});

test("a step that was done by hand is not done again", async () => {
  const world = new World();
  const player = world.player(KILL);
  await player.next();
  const first = world.call();
  world.progress(first, 1, 2);
  world.recording.mark("p1 killed by you", { exchange: first, kind: "killed" });
  world.resume("e-2", "p2");
  await player.next();
  assert.equal(world.performed.includes("kill"), false);
  assert.equal(player.index, 2);
});

test("a call that ends too early leads astray, and setting right plays the earlier steps again", async () => {
  const world = new World();
  const player = world.player(KILL);
  await player.next();
  const call = world.call();
  world.progress(call, 1, 2);
  call.event({ data: message({ id: 1, result: {} }) });
  assert.equal(player.state, "astray");
  assert.match(player.why, /ended/);

  world.performed.length = 0;
  await player.setRight();
  assert.deepEqual(world.performed, ["go", "open", "run"]);
  assert.equal(player.index, 0);
  world.progress(world.call(), 1, 2);
  assert.deepEqual([player.index, player.state], [1, "ready"]);
});

test("a link into the middle of a scene does nothing by itself, and says that the beginning is missing", async () => {
  const world = new World();
  const player = world.player(KILL, { step: 3 });
  assert.equal(player.state, "astray");
  await player.next();
  assert.deepEqual(world.performed, []);
});

test("who leaves the place of a scene and comes back finds the same step", async () => {
  const world = new World();
  const player = world.player(KILL);
  await player.next();
  world.progress(world.call(), 1, 2);
  world.isThere = false;
  player.look();
  assert.equal(player.state, "astray");
  world.isThere = true;
  player.look();
  assert.deepEqual([player.index, player.state], [1, "ready"]);
});

test("setting right leads back to the place, and repeats nothing that has happened", async () => {
  const perform = async (action) => void (world.performed.push(action), (world.isThere = true));
  const world = new World();
  const player = world.player(KILL, { perform });
  await player.next();
  world.progress(world.call(), 1, 2);
  world.isThere = false;
  player.look();
  await player.setRight();
  assert.deepEqual(world.performed, ["open", "run", "go"]);
  assert.deepEqual([player.index, player.state], [1, "ready"]);
});

test("a step that waits too long says so, and still goes on when it happens after all", async () => {
  const world = new World();
  const player = world.player(KILL);
  await player.next();
  world.timers.at(-1)();
  assert.equal(player.state, "astray");
  world.progress(world.call(), 1, 2);
  assert.deepEqual([player.index, player.state], [1, "ready"]);
});

test("what fails in the page is said", async () => {
  const player = new World().player(KILL, { perform: () => Promise.reject(new Error("The relay answered 502.")) });
  await player.next();
  assert.equal(player.why, "The relay answered 502.");
});

test("exchanges from before the scene count for nothing", () => {
  const world = new World();
  world.progress(world.call(), 1, 2);
  assert.equal(holds({ progress: 2 }, world.recording), true);
  assert.equal(holds({ progress: 2 }, world.recording, world.recording.lastId), false);
});

test("steps that are missing, doubled or out of order are not each once", () => {
  for (const values of [[1, 3], [1, 2, 2, 3], [2, 1, 3]]) {
    const world = Object.assign(new World(), { total: 3 });
    world.progress(world.call(), ...values);
    assert.equal(holds({ everyStepOnce: true }, world.recording), false);
  }
});

test("an answer counts as given elsewhere only at another process than the question's", () => {
  const world = new World();
  const call = world.call();
  call.event({ data: message({ id: "q", method: "sampling/createMessage", params: {} }) });
  assert.equal(holds({ question: "asked" }, world.recording), true);
  const answer = (process) => {
    const exchange = world.recording.begin({ request: { method: "POST", path: "/mcp", body: message({ id: "q", result: {} }) } });
    exchange.respond({ status: 202, headers: { "X-Served-By": process } });
  };
  answer("p1");
  assert.equal(holds({ question: "answered" }, world.recording), true);
  assert.equal(holds({ question: "answered elsewhere" }, world.recording), false);
  answer("p2");
  assert.equal(holds({ question: "answered elsewhere" }, world.recording), true);
});
