import assert from "node:assert/strict";
import { test } from "node:test";

import { LISTENER_PLACES, PLACES, StreamBudget } from "../../../everything_site/workbench/static/workbench/protocol/budget.js";

/** Web Locks as browsers have them, as far as the budget uses them (Node has none). */
class Locks {
  held = new Map();
  queues = new Map();

  async request(name, { ifAvailable = false, signal } = {}, callback) {
    if (this.held.has(name)) {
      if (ifAvailable) return callback(null);
      await new Promise((resolve, reject) => {
        const queue = this.queues.get(name) ?? [];
        this.queues.set(name, [...queue, resolve]);
        signal?.addEventListener("abort", () => {
          this.queues.set(name, this.queues.get(name).filter((one) => one !== resolve));
          reject(signal.reason);
        });
      });
    }
    this.held.set(name, true);
    try {
      return await callback({ name });
    } finally {
      this.held.delete(name);
      this.queues.get(name)?.shift()?.();
    }
  }
}

const four = (budget) => Promise.all(PLACES.map(() => budget.acquire()));

test("four streams have places, and the fifth waits until one of them ends", async () => {
  const budget = new StreamBudget({ locks: new Locks() });
  const releases = await four(budget);
  let isQueued = false;
  const fifth = budget.acquire({ onQueued: () => (isQueued = true) });
  const winner = await Promise.race([fifth, new Promise((resolve) => setImmediate(() => resolve("waits")))]);
  assert.deepEqual([winner, isQueued], ["waits", true]);
  releases[2]();
  assert.equal(typeof (await fifth), "function");
});

test("streams that only listen leave a place to calls", async () => {
  const budget = new StreamBudget({ locks: new Locks() });
  await Promise.all(LISTENER_PLACES.map(() => budget.acquire({ listens: true })));
  let isQueued = false;
  budget.acquire({ listens: true, onQueued: () => (isQueued = true) });
  assert.equal(typeof (await budget.acquire()), "function");
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isQueued, true);
});

test("who waits can give up, and takes no place later", async () => {
  const locks = new Locks();
  const budget = new StreamBudget({ locks });
  const releases = await four(budget);
  const giving = new AbortController();
  const fifth = budget.acquire({ signal: giving.signal });
  setImmediate(() => giving.abort());
  await assert.rejects(fifth, { name: "AbortError" });
  for (const release of releases) release();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(locks.held.size, 0);
});

test("whoever waits asks the others to make room", async () => {
  const budget = new StreamBudget({ locks: new Locks() });
  const releases = await four(budget);
  const asked = new Promise((resolve) => budget.addEventListener("pressure", resolve));
  const fifth = budget.acquire();
  await asked;
  releases[0]();
  await fifth;
});

test("where streams share one connection nobody waits", async () => {
  const budget = new StreamBudget({ locks: new Locks(), unlimited: true });
  for (let number = 0; number < 10; number += 1) await budget.acquire();
});
