/**
 * What the steps of a scene expect, as data: `{"progress": 2, "resumed": "continued"}` holds when both do. The vocabulary is
 * `TESTS`. Expectations are about a recording (recording.js), from a point of it on.
 */

import { kindOf, received, sent } from "../protocol/messages.js";
import { header } from "../wire/recording.js";

const TESTS = {
  /** The call has begun and has no response yet (`running`), or has its response (`over`). */
  call: (wanted, seen) => seen.call !== null && seen.isAnswered === (wanted === "over"),
  /** At least so many different values of progress came. */
  progress: (count, seen) => new Set(seen.progress.map(({ progress }) => progress)).size >= count,
  /** Progress went from 1 to the total, each value once. */
  everyStepOnce: (_, seen) => {
    const total = seen.progress.at(-1)?.total;
    return seen.progress.length === total && seen.progress.every(({ progress }, index) => progress === index + 1);
  },
  /** The stream was opened again after its last event (`opened`), and the call said something on it (`continued`). */
  resumed: (wanted, seen) => seen.resumptions.some((one) => wanted === "opened" || received(one).length > 0),
  /** At least so many processes served the call. */
  processes: (count, seen) => new Set(seen.tree.map(({ servedBy }) => servedBy).filter(Boolean)).size >= count,
  /** There is a marker of that kind. */
  mark: (kind, seen) => seen.marks.some((mark) => mark.kind === kind),
  /** The server has asked something (`asked`), which was answered (`answered`), at another process (`answered elsewhere`). */
  question: (wanted, seen) =>
    seen.questions.some(({ process, answers }) => {
      const accepted = answers.filter(({ response }) => response?.status === 202);
      if (wanted === "asked") return true;
      return accepted.some(({ servedBy }) => wanted === "answered" || (servedBy !== null && servedBy !== process));
    }),
  /** A response had that status. */
  status: (code, seen) => seen.exchanges.some(({ response }) => response?.status === code),
  /** A sign-in has its tokens. */
  signedIn: (_, seen) => seen.exchanges.some(({ lane, request, response }) => lane === "Sign-in" && request.path.endsWith("/token") && response?.status === 200),
  /** A request of that method was answered with an error (`refused`), or with a result (`answered`). */
  refused: (method, seen) => seen.outcomes(method).includes("error"),
  answered: (method, seen) => seen.outcomes(method).includes("result"),
  /** The call has a result, as opposed to an error. */
  result: (_, seen) => seen.answer?.result !== undefined,
  /** The call has become a task (`created`), which was last heard of in that status. */
  task: (wanted, seen) => seen.taskStatus === wanted || (wanted === "created" && seen.taskStatus !== null),
};

const WORDS = {
  call: "The call has ended, so this step comes too late.",
  task: "The task has ended, so this step comes too late.",
};

/** What a person is told when something that a step needs is not so. */
export const whyNot = (expectation) => WORDS[Object.keys(expectation)[0]] ?? "Something else happened.";

/** @throws {Error} if an expectation has a word that is not in the vocabulary. */
export function check(expectation) {
  const unknown = Object.keys(expectation).find((word) => !Object.hasOwn(TESTS, word));
  if (unknown !== undefined) throw new Error(`A scene expects ${JSON.stringify(unknown)}, which is not in the vocabulary.`);
}

/** Whether all of an expectation is so in the exchanges of a recording after the one with the id `since`. */
export function holds(expectation, recording, since = 0) {
  const seen = new Seen(recording, since);
  return Object.entries(expectation).every(([word, wanted]) => TESTS[word](wanted, seen));
}

/** The latest tool call of a recording, and what belongs to it. */
class Seen {
  constructor(recording, since) {
    this.exchanges = recording.exchanges.filter(({ id }) => id > since);
    this.call = this.exchanges.findLast((one) => sent(one.request)[0]?.method === "tools/call") ?? null;
    const ids = new Set(this.call ? [this.call.id] : []);
    this.tree = this.exchanges.filter(({ id, parent }) => ids.has(id) || (ids.has(parent) && ids.add(id)));
    this.messages = this.tree.flatMap((exchange) => received(exchange).map(({ message }) => ({ message, exchange })));
    const [at = Infinity] = this.exchanges.map((one) => one.at);
    this.marks = [...this.exchanges.flatMap(({ marks }) => marks), ...recording.marks.filter((mark) => mark.at >= at)];
  }

  /** The response to the call, or null. */
  get answer() {
    const id = this.call && sent(this.call.request)[0].id;
    const found = this.messages.findLast(({ message }) => message.id === id && ["result", "error"].includes(kindOf(message)));
    return found?.message ?? null;
  }

  get isAnswered() {
    return this.answer !== null || (this.call.endedAt !== null && (this.call.response?.status ?? 0) >= 400);
  }

  /** What the requests of a method came to: the kinds of the messages that answered them. */
  outcomes(method) {
    const asked = this.exchanges.filter(({ request }) => sent(request)[0]?.method === method);
    return asked.flatMap((one) => received(one).map(({ message }) => kindOf(message)));
  }

  /** The status in which the task of the call was last heard of, or null. */
  get taskStatus() {
    const { resultType, taskId } = this.answer?.result ?? {};
    if (resultType !== "task") return null;
    const heard = this.exchanges.flatMap(received).map(({ message }) => message.result ?? message.params);
    return heard.findLast((one) => one?.taskId === taskId && one.status !== undefined)?.status ?? null;
  }

  get progress() {
    return this.messages.filter(({ message }) => message.method === "notifications/progress").map(({ message }) => message.params);
  }

  get resumptions() {
    return this.tree.filter(({ request, response }) => header(request.headers, "last-event-id") !== null && response?.status === 200);
  }

  /** What the server asked: the process that served the stream, and the answers that were sent. */
  get questions() {
    return this.messages
      .filter(({ message }) => kindOf(message) === "request")
      .map(({ message, exchange }) => ({
        process: exchange.servedBy,
        answers: this.exchanges.filter(({ request }) => sent(request).some((one) => one.id === message.id && !("method" in one))),
      }));
  }
}
