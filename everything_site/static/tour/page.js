/** A page of the tour: the wire beside the steps follows the one in view, the diagram, and sounds. */

import { colour } from "../workbench/wire/code_view.js";
import "../workbench/wire/diagram.js";
import { exchange as pieces } from "../workbench/wire/highlight.js";
import { parsed } from "../workbench/protocol/messages.js";
import { Recording } from "../workbench/wire/recording.js";
import "../workbench/wire/wire.js";
import { Sound } from "./sound.js";

const page = document.querySelector(".tour-page");
const pane = document.querySelector(".tour-pane");
const wire = pane.querySelector("es-wire");
const steps = [...page.querySelectorAll(".step")];
const WIDE = matchMedia("(min-width: 64rem)");

for (const pre of page.querySelectorAll("pre.code")) colour(pre, pieces(pre.textContent));
for (const figure of page.querySelectorAll("[data-sound]")) new Sound(figure);
document.querySelector(".tour-groups [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
scrollTo(0, 0);
tabs();
load();

async function load() {
  const response = await fetch(page.dataset.recording);
  const { recording: json } = await response.json();
  const recording = Recording.fromJSON(json);
  wire.recording = recording;
  for (const diagram of document.querySelectorAll("es-diagram")) {
    diagram.recording = recording;
    diagram.addEventListener("select", ({ detail }) => go(detail));
  }
  wire.addEventListener("resend", ({ detail }) => editInWorkbench(detail));
  follow();
  openLinked();
  addEventListener("hashchange", openLinked);
  for (const figure of page.querySelectorAll("[data-app]")) {
    const { showApp } = await import("./app.js");
    showApp(figure, recording);
  }
}

/** The step in view is current; its exchange is opened in the wire. */
function follow() {
  let current = null;
  const choose = (step, { scroll = false } = {}) => {
    if (!step || step === current) return;
    current?.removeAttribute("aria-current");
    current = step;
    step.setAttribute("aria-current", "step");
    pane.querySelector(".tour-step-now").textContent = String(steps.indexOf(step) + 1);
    const id = Number(step.dataset.exchange);
    const event = step.dataset.event === undefined ? null : Number(step.dataset.event);
    if (WIDE.matches) wire.show(id, { event, only: true, open: !step.classList.contains("step-handshake") });
    if (scroll) step.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  };
  let chosenUntil = 0;
  const look = () => {
    if (performance.now() < chosenUntil || !WIDE.matches) return;
    choose(nearest(innerHeight * 0.38));
  };
  addEventListener("scroll", look, { passive: true });
  addEventListener("resize", look, { passive: true });
  const pick = (step) => {
    chosenUntil = performance.now() + 700;
    choose(step, { scroll: true });
  };
  for (const step of steps) {
    step.addEventListener("click", (event) => event.target.closest("a, button, summary, pre") || pick(step));
  }
  const move = (by) => pick(steps[Math.min(steps.length - 1, Math.max(0, steps.indexOf(current) + by))]);
  for (const button of pane.querySelectorAll("[data-by]")) button.addEventListener("click", () => move(Number(button.dataset.by)));
  addEventListener("keydown", (event) => {
    const by = { n: 1, p: -1 }[event.key];
    if (!by || event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    move(by);
  });
  choose(nearest(innerHeight * 0.38));
}

/** The step closest to a height in the window; at the ends of the page the first and the last. */
function nearest(height) {
  if (scrollY < 8) return steps[0];
  if (scrollY + innerHeight >= document.documentElement.scrollHeight - 8) return steps.at(-1);
  const distance = (step) => {
    const { top, bottom } = step.getBoundingClientRect();
    return top <= height && bottom >= height ? 0 : Math.min(Math.abs(top - height), Math.abs(bottom - height));
  };
  return steps.reduce((best, step) => (distance(step) < distance(best) ? step : best), steps[0]);
}

/** The fragment #exchange-3 names a row of the wire. */
function openLinked() {
  const [, id] = /^#exchange-(\d+)$/.exec(location.hash) ?? [];
  if (id) go(Number(id));
}

/** From the diagram to the row of an exchange. */
function go(id) {
  if (!WIDE.matches) {
    const step = steps.findLast((one) => Number(one.dataset.exchange) <= id);
    step?.scrollIntoView({ block: "start" });
    return;
  }
  select(pane.querySelector("#tab-wire"));
  wire.show(id, { only: true, focus: true });
}

/** The workbench opens a request in its editor by the fragment; it never sends one by itself. */
function editInWorkbench(request) {
  const revision = request.headers.find(([name]) => name.toLowerCase() === "mcp-protocol-version")?.[1];
  const bytes = new TextEncoder().encode(request.body ?? "");
  const encoded = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  const parameters = new URLSearchParams({ ...(revision && { rev: revision }), ...(parsed(request.body) && { args: encoded }) });
  location.href = `/try#/raw?${parameters}`;
}

function tabs() {
  const all = [...pane.querySelectorAll("[role=tab]")];
  for (const tab of all) {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      const next = all[(all.indexOf(tab) + by + all.length) % all.length];
      select(next);
      next.focus();
    });
  }
}

function select(tab) {
  for (const one of pane.querySelectorAll("[role=tab]")) {
    const isChosen = one === tab;
    one.setAttribute("aria-selected", String(isChosen));
    one.tabIndex = isChosen ? 0 : -1;
    document.getElementById(one.getAttribute("aria-controls")).hidden = !isChosen;
  }
}
