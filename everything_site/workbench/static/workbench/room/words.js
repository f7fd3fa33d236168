/** The machine room in words. */

import { duration } from "../base/units.js";

const OUTCOMES = {
  result: "is done",
  tool_error: "fails, as the tool says",
  error: "ends with an error",
  cancelled: "is cancelled",
  lost: "is given up",
};

const session = (event) => (event.session ? `session ${event.session}` : "a client without a session");
const call = (event) => `call …${event.call}`;
const what = (event) => event.tool || event.method || "a request";

const SENTENCES = {
  "process.up": ({ process }) => `${process} is up`,
  "process.back": ({ process }) => `${process} is back, as a new process`,
  "process.late": ({ process }) => `${process} has missed a beat`,
  "process.gone": ({ process }) => `${process} is gone`,
  "request.start": (event) => `${event.process} ${event.again ? "runs again" : "runs"} ${what(event)} for ${session(event)}`,
  "request.end": (event) => `${event.process}: ${what(event)} ${OUTCOMES[event.outcome] ?? event.outcome}, ${event.ms < 1 ? "under 1 ms" : duration(event.ms / 1000)}`,
  "call.registered": (event) => `${event.process} stores ${call(event)} in Redis and takes its lease`,
  "call.expired": (event) => `The lease of ${call(event)} has ended${event.of ? `: ${event.of} no longer renews it` : ""}`,
  "call.taken": (event) => `${event.process} takes over ${call(event)}${event.of ? ` from ${event.of}` : ""}: run ${event.runs}`,
  "call.settled": (event) => `${event.process} writes the end of ${call(event)} and gives up its lease`,
  "log.append": (event) => `${event.process} appends to the log of ${session(event)}`,
  "wake.sent": (event) => `${event.process} wakes ${event.to.join(", ")}: the log of ${session(event)} has grown`,
  "stream.open": (event) => `${session(event)} opens a stream at ${event.process}`,
  "stream.resumed": (event) => `${session(event)} resumes a stream at ${event.process}`,
  "stream.closed": (event) => `A stream of ${session(event)} at ${event.process} closes`,
  "question.asked": (event) => `${event.process} asks ${session(event)}: ${event.question}`,
  "question.answered": (event) =>
    event.of && event.of !== event.process
      ? `The answer of ${session(event)} arrives at ${event.process}; ${event.of} had asked`
      : `The answer of ${session(event)} arrives at ${event.process}, which had asked`,
  more: (event) => `${event.process}: ${event.times} more of ${event.kind}`,
};

/**
 * An event in one sentence; empty for those that would only be noise.
 *
 * @param {{type: string, process: string}} event
 */
export function sentence(event) {
  const text = SENTENCES[event.type]?.(event) ?? "";
  return text.replace(/^(session|a client)/, (word) => word[0].toUpperCase() + word.slice(1));
}

/**
 * The state of a process in words.
 *
 * @param {{state: string, seen: number}} process
 * @param {number} now Seconds.
 * @param {{state: string, starts_in?: number}} [relayed] What the relay says of it.
 */
export function stateWords(process, now, relayed) {
  if (relayed?.state === "dead") return relayed.starts_in ? `dead, back in ${Math.ceil(relayed.starts_in)} s` : "dead";
  if (relayed?.state === "starting") return "starting";
  switch (process?.state) {
    case undefined:
      return relayed ? "no MCP request yet" : "unknown";
    case "up":
      return "serving";
    case "draining":
      return "shutting down";
    case "late":
      return `last seen ${Math.max(1, Math.round(now - process.seen))} s ago`;
    default:
      return "gone";
  }
}

/**
 * What is to say of a call and its lease; empty if all is well.
 *
 * @param {{state: string, runs: number, renewedAt: number, leaseMs: number}} call
 * @param {{state: string}} [process] The one that holds it.
 * @param {number} now Seconds.
 */
export function leaseWords(call, process, now) {
  if (call.state === "settled") return "done";
  if (call.state === "expired") return "lease ended";
  if (process?.state === "gone" || process?.state === "late") {
    const left = Math.ceil(call.renewedAt + call.leaseMs / 1000 - now);
    return left > 0 ? `lease ends in ${left} s` : "lease ended; waiting for another process";
  }
  return call.runs > 1 ? `run ${call.runs}` : "";
}

/** A number with its unit in the right number. */
export function count(number, unit) {
  return `${number} ${unit}${number === 1 ? "" : unit.endsWith("s") ? "es" : unit.endsWith("y") ? "" : "s"}`;
}
