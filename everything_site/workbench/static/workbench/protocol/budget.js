/**
 * The connections that streams may keep open. Over HTTP/1.1 a browser opens six connections to an origin, for all its tabs
 * together; with six streams open, nothing else would leave it. So streams share four places, which are Web Locks, and two
 * connections are always free for whatever is answered at once. Streams that only listen leave one of the places to calls.
 */

export const PLACES = ["es-stream-4", "es-stream-3", "es-stream-2", "es-stream-1"];
export const LISTENER_PLACES = PLACES.slice(1);
const PRESSURE = "es-stream-pressure";

/** Whether streams share connections with each other, as they do since HTTP/2. */
function isMultiplexed() {
  const [entry] = globalThis.performance?.getEntriesByType?.("navigation") ?? [];
  return ["h2", "h3"].includes(entry?.nextHopProtocol);
}

/** Dispatches `pressure` when a stream waits, in any tab: who can do without theirs should end it. */
export class StreamBudget extends EventTarget {
  constructor({ locks = globalThis.navigator?.locks, unlimited = isMultiplexed() } = {}) {
    super();
    this._locks = unlimited ? null : (locks ?? null);
    this._channel = this._locks && globalThis.BroadcastChannel ? new BroadcastChannel(PRESSURE) : null;
    this._channel?.addEventListener("message", () => this.dispatchEvent(new Event("pressure")));
    this._channel?.unref?.(); // under Node it would keep the process alive
  }

  /**
   * Take a place, and wait for one if all are taken.
   *
   * @param {{signal?: AbortSignal, onQueued?: () => void, listens?: boolean}} options `listens`: it is no call.
   * @returns {Promise<() => void>} Gives the place back; may be called more than once.
   * @throws {DOMException} AbortError, when the signal fires first.
   */
  async acquire({ signal, onQueued, listens = false } = {}) {
    if (!this._locks) return () => {};
    const places = listens ? LISTENER_PLACES : PLACES;
    for (const name of places) {
      const release = await this.#take(name, { ifAvailable: true });
      if (release) return release;
      signal?.throwIfAborted();
    }
    onQueued?.();
    this.dispatchEvent(new Event("pressure"));
    this._channel?.postMessage({});
    return this.#wait(places, signal);
  }

  /** How many places are taken, in all tabs. */
  async used() {
    const { held = [] } = (await this._locks?.query()) ?? {};
    return held.filter(({ name }) => PLACES.includes(name)).length;
  }

  #take(name, options) {
    return new Promise((resolve, reject) => {
      this._locks
        .request(name, options, (lock) => {
          if (!lock) return resolve(null);
          return new Promise((release) => resolve(() => release()));
        })
        .catch(reject);
    });
  }

  /** The first of all places that becomes free; the requests for the others are withdrawn. */
  #wait(places, signal) {
    const withdrawal = new AbortController();
    return new Promise((resolve, reject) => {
      let isTaken = false;
      const onAbort = () => {
        isTaken = true;
        withdrawal.abort();
        reject(signal.reason);
      };
      if (signal?.aborted) return onAbort();
      signal?.addEventListener("abort", onAbort, { once: true });
      for (const name of places) {
        this.#take(name, { signal: withdrawal.signal }).then(
          (release) => {
            if (isTaken) return release(); // two became free at once
            isTaken = true;
            signal?.removeEventListener("abort", onAbort);
            withdrawal.abort();
            resolve(release);
          },
          () => {}, // withdrawn
        );
      }
    });
  }
}
