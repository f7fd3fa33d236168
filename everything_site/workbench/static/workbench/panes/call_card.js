/** A call as a person sees it: how far it is, what it waits for, what became of it. */

import { announce } from "../base/announce.js";
import { fill, h } from "../base/dom.js";
import { duration, secondsUntil, tick } from "../base/ticker.js";
import { duration as took } from "../base/units.js";
import { breakItMenu, resumeControls } from "./break_it.js";

const STATES = {
  queued: "Queued",
  sent: "Sent",
  streaming: "Running",
  asking: "Asks you",
  cut: "Cut",
  waiting: "Waiting",
  resuming: "Resuming",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};
const QUIET = 1000; // milliseconds without a word before the page says what it waits for

/**
 * @param {Object} app
 * @param {Call} call
 * @param {{title: string, render: (call: Call) => Node}} options `render` shows a call that has ended.
 */
export function callCard(app, call, { title, render }) {
  const badge = h("span", { class: "wb-state" });
  const bar = h("progress", { class: "wb-progress", "aria-label": `Progress of ${title}`, hidden: true });
  const said = h("span", { class: "wb-said" });
  const time = h("span", { class: "wb-time" });
  const route = h("span", { class: "wb-route" });
  const revision = h("span", { class: "wb-time" }, call.client.revision);
  const wait = h("p", { class: "wb-wait", hidden: true });
  const cancel = h("button", { type: "button", class: "wb-cancel", onclick: () => call.cancel() }, "Cancel");
  const menu = breakItMenu(app, call);
  const resume = resumeControls(app, call);
  const body = h("div", { class: "wb-outcome" });
  const card = h(
    "article",
    { class: "wb-call", "aria-label": title },
    h("div", { class: "wb-call-head" }, badge, bar, said, time, route, revision, h("span", { class: "wb-call-tools" }, menu, cancel)),
    wait,
    resume,
    body,
  );
  let toldProgress = -1;
  let isShown = false;

  const show = () => {
    card.dataset.state = call.state === "done" && call.result?.isError ? "failed" : call.state;
    badge.textContent = card.dataset.state === "failed" && call.state === "done" ? "Tool error" : STATES[call.state];
    showProgress();
    fill(route, call.processes.map((name, index) => [index ? " → " : "on ", processName(name)]));
    cancel.hidden = menu.hidden = call.isOver;
    if (call.isOver && !isShown) {
      isShown = true;
      fill(body, render(call));
      announce(`${title}: ${badge.textContent}`);
    }
    showTime();
  };
  const showProgress = () => {
    const { progress: value, total, message } = call.progress ?? {};
    bar.hidden = call.isOver || value === undefined;
    if (value === undefined) return;
    if (total) Object.assign(bar, { max: total, value });
    else bar.removeAttribute("value");
    said.textContent = call.isOver ? "" : [total ? `${value} of ${total}` : value, message].filter(Boolean).join(" · ");
    const half = total ? Math.floor((2 * value) / total) : -1;
    if (half > toldProgress) announce(`${title}: ${Math.round((100 * value) / total)} percent`);
    toldProgress = Math.max(half, toldProgress);
  };
  const showTime = () => {
    time.textContent = call.isOver ? took((call.endedAt - call.startedAt) / 1000) : duration(Date.now() - call.startedAt);
    const text = call.isOver ? "" : waitsFor(app, call);
    wait.hidden = call.isOver;
    wait.classList.toggle("urgent", Boolean(call.status ?? call.lost));
    if (wait.textContent !== text) wait.textContent = text;
    if (call.isOver) stop();
  };
  const stop = tick(card, showTime);
  call.addEventListener("change", show);
  show();
  return card;
}

/** The name of a process, in its colour. */
export function processName(name) {
  const number = /(\d+)$/.exec(name)?.[1];
  return h("span", { class: "wb-process", dataset: number ? { process: String(((Number(number) - 1) % 4) + 1) } : {} }, name);
}

/** What the call waits for, and for how long. */
export function waitsFor(app, call) {
  const { status, lost } = call;
  if (status) {
    const left = status.until === null ? "" : ` (${secondsUntil(status.until)} s)`;
    return `${status.text}${left}.`;
  }
  if (lost) {
    const leaseEnds = lost.at + app.leaseSeconds * 1000;
    const who = lost.process ?? "The process";
    if (Date.now() < leaseEnds) return `${who} is gone. If it ran this call, its lease ends in ${secondsUntil(leaseEnds)} s.`;
    return `The lease of ${who} has ended: ${call.servedBy ?? "another process"} takes the call over. Steps that you have seen are in the log, and are not sent again.`;
  }
  const quiet = Date.now() - (call.lastEventAt ?? call.startedAt);
  if (quiet < QUIET && call.state !== "asking") return call.processes.length ? "The stream is open." : "Sent.";
  if (call.state === "asking") return "Waiting for your answer under Questions.";
  if (call.state === "sent") return "Sent. Waiting for the first byte of the response.";
  if (call.state === "streaming") return `The stream is open; the last event came ${duration(quiet)} ago.`;
  return "";
}
