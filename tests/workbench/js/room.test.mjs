// What the machine room knows, from what the processes say.

import assert from "node:assert/strict";
import { test } from "node:test";

import { FORGOTTEN, GONE, LATE, RoomModel } from "../../../everything_site/workbench/static/workbench/room/model.js";
import { leaseWords, sentence, stateWords } from "../../../everything_site/workbench/static/workbench/room/words.js";

const STATE = { draining: false, lease_ms: 3000, calls: [], streams: [], queries: 0 };
const CALL = { call: "ab12cd", session: "6af31111", method: "tools/call", tool: "longRunningOperation", runs: 1 };

const says = (process, events = [], state = undefined, life = process) => ({ process, life, events, ...(state ? { state: { ...STATE, ...state } } : {}) });
const event = (type, fields = {}) => ({ type, at: 0, ...fields });
const texts = (model) => model.events.map(({ text }) => text);

test("processes are in the order of their numbers", () => {
  const model = new RoomModel();
  for (const name of ["p10", "p2", "p1"]) model.apply(says(name, [], {}), 0);
  assert.deepEqual(model.ordered.map(({ name }) => name), ["p1", "p2", "p10"]);
});

test("a process that misses a beat is late, then gone, and then forgotten", () => {
  const model = new RoomModel();
  model.apply(says("p1", [], { streams: [{ session: "s", stream: "x", listens: true, client: "c", user: "u" }] }), 0);
  const state = () => model.processes.get("p1")?.state;
  model.tick(LATE);
  assert.equal(state(), "up");
  model.tick(LATE + 0.1);
  assert.equal(state(), "late");
  assert.equal(stateWords(model.processes.get("p1"), 3), "last seen 3 s ago");
  model.apply(says("p1", [], {}), 3);
  assert.equal(state(), "up", "it was only slow");
  model.tick(3 + GONE + 0.1);
  assert.equal(state(), "gone");
  assert.deepEqual(model.processes.get("p1").streams, []);
  model.tick(3 + FORGOTTEN + 0.1);
  assert.equal(state(), undefined);
});

test("a process that comes back under its name takes its place, as a new one", () => {
  const model = new RoomModel();
  model.apply(says("p1", [], {}, "one"), 0);
  model.lost("p1", 1);
  model.apply(says("p1", [], {}, "two"), 6);
  assert.deepEqual([...model.processes.keys()], ["p1"]);
  assert.equal(model.processes.get("p1").state, "up");
  assert.deepEqual(texts(model), ["p1 is back, as a new process", "p1 is gone", "p1 is up"]);
});

test("two processes of one name are both shown", () => {
  const model = new RoomModel();
  for (const at of [0, 1]) for (const life of ["one", "two"]) model.apply(says("web", [], {}, life), at);
  assert.equal(model.processes.size, 2);
});

test("a call goes from the process that dies to the one that takes it over", () => {
  const model = new RoomModel();
  model.apply(says("p1", [event("call.registered", CALL)], { calls: [CALL] }), 0);
  model.apply(says("p2", [], {}), 0);
  const call = () => model.calls.get(CALL.call);
  assert.deepEqual([call().process, call().state, call().tool], ["p1", "running", "longRunningOperation"]);
  model.lost("p1", 1);
  assert.equal(leaseWords(call(), model.processes.get("p1"), 1), "lease ends in 2 s");
  assert.match(leaseWords(call(), model.processes.get("p1"), 4), /waiting for another process/);
  model.apply(says("p2", [event("call.expired", { ...CALL, of: "p1" })]), 4);
  assert.equal(leaseWords(call(), undefined, 4), "lease ended");
  model.apply(says("p2", [event("call.taken", { ...CALL, runs: 2, of: "p1" })]), 4);
  assert.deepEqual([call().process, call().state, call().runs], ["p2", "running", 2]);
  assert.equal(leaseWords(call(), model.processes.get("p2"), 4), "run 2");
  model.apply(says("p2", [event("call.settled", CALL)]), 5);
  assert.equal(leaseWords(call(), model.processes.get("p2"), 5), "done");
  model.tick(20);
  assert.equal(model.calls.size, 0);
});

test("what was running before somebody looked is known from the state, and so is an end that was lost", () => {
  const model = new RoomModel();
  model.apply(says("p1", [], { calls: [CALL], streams: [{ session: CALL.session, stream: "x", listens: true, client: "Inspector", user: "alice" }] }), 0);
  assert.equal(model.calls.get(CALL.call).tool, "longRunningOperation");
  assert.equal(model.sessions.get(CALL.session).client, "Inspector");
  model.apply(says("p1", [], {}), 2);
  assert.equal(model.calls.get(CALL.call).state, "settled");
});

test("an answer ends the question, wherever it arrives", () => {
  const model = new RoomModel();
  model.apply(says("p1", [event("question.asked", { session: "s", request: "r", question: "roots/list" })], { calls: [CALL] }), 0);
  assert.equal(model.processes.get("p1").questions.size, 1);
  assert.equal(model.sessions.get("s").asking.size, 1);
  model.apply(says("p2", [event("question.answered", { session: "s", request: "r", of: "p1" })], {}), 1);
  assert.equal(model.processes.get("p1").questions.size, 0);
  assert.equal(model.sessions.get("s").asking.size, 0);
  assert.equal(texts(model)[0], "The answer of session s arrives at p2; p1 had asked");
});

test("a question ends with the last call of its session, as when the call is cancelled", () => {
  const model = new RoomModel();
  model.apply(says("p1", [event("call.registered", { session: "s", call: "c" }), event("question.asked", { session: "s", request: "r" })]), 0);
  assert.equal(model.sessions.get("s").asking.size, 1);
  model.apply(says("p1", [event("call.settled", { session: "s", call: "c" })]), 1);
  assert.equal(model.sessions.get("s").asking.size, 0);
  assert.equal(model.processes.get("p1").questions.size, 0);
});

test("a log grows by a mark of the process that appends, and only so many are kept", () => {
  const model = new RoomModel();
  for (let n = 0; n < 200; n++) model.apply(says("p2", [event("log.append", { session: "s" })]), n / 100);
  const { entries, ticks } = model.sessions.get("s");
  assert.equal(entries, 200);
  assert.ok(ticks.length < 100);
  assert.ok(ticks.every(({ process }) => process === model.processes.get("p2").index));
});

test("the last events are bounded, and one that repeats itself is counted", () => {
  const model = new RoomModel();
  for (let n = 0; n < 30; n++) model.apply(says("p1", [event("wake.sent", { session: "s", to: ["p2"] }), event("stream.open", { session: "s" })]), n);
  assert.equal(model.events.filter(({ type }) => type === "wake.sent").length, 1);
  assert.equal(model.events.find(({ type }) => type === "wake.sent").times, 30);
  for (let n = 0; n < 30; n++) model.apply(says("p1", [event("stream.open", { session: `s${n}` })]), n);
  assert.equal(model.events.length, 20);
});

test("of what was too much the number is told, and sessions that do nothing are forgotten", () => {
  const model = new RoomModel();
  model.apply({ ...says("p1", [event("stream.open", { session: "s" })]), more: { "log.append": 1200 } }, 0);
  assert.equal(texts(model)[0], "p1: 1200 more of log.append");
  model.tick(100);
  assert.equal(model.sessions.size, 0);
});

test("an event of a kind that this page does not know changes nothing and says nothing", () => {
  assert.equal(sentence(event("process.dreams", { process: "p1" })), "");
});
