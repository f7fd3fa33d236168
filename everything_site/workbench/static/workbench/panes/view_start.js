/** The first view: the sign-in, step by step, and afterwards what to try first. */

import { announce } from "../base/announce.js";
import { fill, h } from "../base/dom.js";
import { format } from "../base/route.js";
import { sceneLink } from "../scenes/view.js";

const FIRST = [
  { kind: "tools", name: "add", args: { a: 2, b: 40 }, title: "Add two numbers", about: "One request, one response in JSON." },
  { kind: "tools", name: "longRunningOperation", args: { duration: 12, steps: 6 }, title: "A call that takes its time", about: "The response becomes a stream. Break it: the call goes on." },
  { kind: "tools", name: "elicitInputs", title: "The server asks you", about: "A question arrives in the middle of a call." },
  { kind: "tools", name: "getTinyImage", title: "A picture", about: "Content that is not text." },
  { kind: "tools", name: "mcp_apps_hello_world", title: "An app", about: "A page from the server, in a sandboxed frame." },
  { kind: "prompts", name: "complex_prompt", title: "A prompt with completion", about: "Arguments are completed as you type." },
  { kind: "resources", name: "test://static/resource/1", title: "A resource", about: "Read it, subscribe to it." },
  { kind: "tools", name: "slow_compute", args: { seconds: 8 }, revision: "2026-07-28", title: "A task", about: "At 2026-07-28, a call that outlives its request." },
];

/** @param {Object} scenes By name, as scenes.json has them. */
export function startView(app, scenes) {
  const node = h("div", { class: "wb-view wb-start" });
  let shown = null;
  const show = () => {
    const isOpen = app.isSignedIn && !app.whySignedOut;
    const what = app.isConnected && isOpen ? "connected" : isOpen ? "signed in" : app.signIn;
    if (what === shown) return;
    shown = what;
    fill(node, what === "connected" ? overview(app, scenes) : what === "signed in" ? noSession(app) : signIn(app));
  };
  app.addEventListener("change", show);
  app.addEventListener("sign-in", show);
  app.addEventListener("signed-out", show);
  show();
  return { node, title: "Try it", apply() {} };
}

function overview(app, scenes) {
  const { serverInfo } = app.client.server;
  return [
    h("header", { class: "wb-view-head" }, h("h1", { tabIndex: -1 }, "You are connected"), h("p", { class: "wb-about" }, `${serverInfo?.title ?? serverInfo?.name ?? "The server"} listed what it has on the left. Everything that you do here appears in the wire, byte for byte.`)),
    h("ul", { class: "wb-cards" }, FIRST.map(({ title, about, ...place }) => h("li", {}, h("a", { href: format(place) }, h("strong", {}, title), h("span", {}, about), h("code", {}, place.name))))),
    h("h2", {}, "Scenes"),
    h("p", { class: "wb-about" }, "Step by step, at your own pace: ", h("kbd", {}, "n"), " plays the next step."),
    h("ul", { class: "wb-cards" }, Object.entries(scenes).map(([name, scene]) => h("li", {}, h("a", { href: sceneLink(name, scene) }, h("strong", {}, scene.title), h("span", {}, scene.about))))),
  ];
}

/** Signed in, and the session is deleted or not open yet. */
function noSession(app) {
  const problem = h("div", { class: "wb-outcome", role: "status" });
  const open = h("button", { type: "button", class: "main" }, "Open a session");
  open.addEventListener("click", async () => {
    try {
      await app.connect();
    } catch (error) {
      fill(problem, h("p", { class: "wb-error" }, error.message));
    }
  });
  return [h("header", { class: "wb-view-head" }, h("h1", { tabIndex: -1 }, "No session"), h("p", { class: "wb-about" }, "You are signed in, and no session is open.")), h("div", { class: "wb-actions" }, open), problem];
}

/** The seven steps as cards, one button for all of them, and one for the next. */
function signIn(app) {
  const flow = app.signIn;
  const isReturning = flow.isReturning;
  const why = h("p", { class: "wb-error", hidden: !app.whySignedOut }, app.whySignedOut);
  const runAll = h("button", { type: "button", class: "main wb-connect" }, isReturning ? "Sign in again" : "Connect");
  const step = h("button", { type: "button" }, "Step");
  const problem = h("div", { class: "wb-outcome", role: "status" });
  const items = flow.steps.map(() => h("li", {}));
  const busy = (isBusy) => {
    runAll.disabled = isBusy;
    step.disabled = isBusy;
  };
  const attempt = (work) => async () => {
    const current = app.signIn;
    busy(true);
    fill(problem);
    try {
      await work(current);
      if (current.tokens) await app.signedIn(current);
    } catch (error) {
      announce(error.message, { now: true });
      fill(problem, failed(app, current, error));
    } finally {
      busy(false);
      show();
    }
  };
  runAll.addEventListener("click", attempt((current) => (app.prepareConsent(), current.run())));
  step.addEventListener("click", attempt((current) => (current.next?.id === "consent" && app.prepareConsent(), current.step())));
  const show = () => {
    const current = app.signIn;
    current.steps.forEach((one, index) => {
      items[index].dataset.state = one.state;
      if (current.next === one) items[index].setAttribute("aria-current", "step");
      else items[index].removeAttribute("aria-current");
      fill(items[index], h("strong", {}, one.title), h("span", { class: "hidden" }, `: ${one.state}`), h("p", {}, one.about), one.note && h("p", { class: "wb-step-note" }, one.note));
    });
    step.textContent = current.next ? `Step: ${current.next.title}` : "Step";
  };
  flow.addEventListener("change", show);
  show();
  return [
    h(
      "header",
      { class: "wb-view-head" },
      h("h1", { tabIndex: -1 }, "Try this server in your browser"),
      h("p", { class: "wb-about" }, "This page is an MCP client. It signs in as every client does, by OAuth: seven steps, each of which you can watch in the wire. A window opens in which you choose a user and approve access."),
    ),
    why,
    h("div", { class: "wb-actions" }, runAll, step),
    problem,
    h("ol", { class: "wb-steps" }, items),
  ];
}

function failed(app, flow, error) {
  const step = flow.steps.find(({ state }) => state === "failed");
  const again = h("button", { type: "button", onclick: () => app.restartSignIn() }, "Start over");
  const forget = h(
    "button",
    {
      type: "button",
      onclick: () => {
        flow.forgetClient();
        app.restartSignIn();
      },
    },
    "Register again",
  );
  return [h("p", { class: "wb-error" }, step ? `${step.title} failed: ${error.message}` : error.message), h("div", { class: "wb-actions" }, again, step?.id === "consent" && forget)];
}
