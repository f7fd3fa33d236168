/** The page of the workbench: puts the panes together, and shows what the fragment says. */

import { App } from "./app.js";
import { announce, regions } from "./base/announce.js";
import { fill, h } from "./base/dom.js";
import { format, parse, withParameter } from "./base/route.js";
import { consent, prepareConsent, returned } from "./oauth/consent.js";
import { moreAccess } from "./oauth/more_access.js";
import { goneBanner } from "./panes/gone_banner.js";
import { letters, shortcuts } from "./panes/keyboard.js";
import { TabBar, separator } from "./panes/panes.js";
import { Sidebar } from "./panes/sidebar.js";
import { strip } from "./panes/strip.js";
import { Views } from "./panes/views.js";
import { REVISIONS, hasSession } from "./protocol/revisions.js";
import { questionBreakIt } from "./questions/break_it.js";
import { roomPane } from "./room/pane.js";
import { ScenePane, loadScenes } from "./scenes/view.js";
import { fromText, toText } from "./wire/filter.js";
import "./forms/form.js";
import "./questions/questions.js";
import "./wire/wire.js";

const root = document.getElementById("workbench");

if (!isSecureContext) notHere("This page needs https or localhost", "The sign-in uses crypto.subtle, which browsers offer only on secure pages.");
else if (new URL(root.dataset.mcpUrl).origin !== location.origin) {
  const there = new URL("/try", root.dataset.mcpUrl).href;
  notHere("This server has another address", "Sign-in works only at the server’s own address: ", h("a", { href: there + location.hash }, there));
} else await begin();

function notHere(title, ...why) {
  fill(root, h("main", { id: "main", class: "wb-plain" }, h("h1", {}, title), h("p", {}, why)));
}

async function begin() {
  const dock = document.createElement("es-questions");
  const app = new App({
    url: root.dataset.mcpUrl,
    leaseSeconds: Number(root.dataset.leaseSeconds),
    hasRelay: root.dataset.relay === "true",
    questions: dock,
    moreAccess: moreAccess(() => app),
    consent,
  });
  app.prepareConsent = () => prepareConsent(app.signIn);
  app.show = (place) => {
    location.hash = format(place);
  };
  const { revision } = parse(location.hash);
  if (REVISIONS.includes(revision)) app.revision = revision;
  const page = build(app, dock, await loadScenes());
  page.showRoute();
  if (app.hasRelay) await app.processes.refresh();
  await resume(app, page);
}

/** Go on where the last page of this tab was: in the sign-in, in a session, or nowhere. */
async function resume(app, page) {
  const query = returned();
  try {
    if (query !== null) {
      await app.signIn.resume(query);
      await app.signedIn(app.signIn);
    } else if (!(await app.restore()) && app.isSignedIn) await app.connect();
  } catch (error) {
    page.failed(error);
  }
}

function build(app, dock, scenes) {
  const views = new Views(app, scenes);
  const sidebar = new Sidebar(app);
  const wire = document.createElement("es-wire");
  wire.recording = app.recording;
  wire.letters = letters.areOn;
  wire.setAttribute("empty", "Nothing sent yet. Press Connect, and the exchanges of the sign-in appear here.");
  const banner = h("div", { class: "wb-banner", role: "status", hidden: true });
  const place = h("div", { class: "wb-place" });
  const list = h("nav", { class: "wb-list", "aria-label": "Features" }, sidebar.element);
  const main = h("main", { id: "main", class: "wb-main", tabIndex: -1 }, separator(root, "list", { label: "Width of the list of features", side: "left" }), h("h1", { class: "hidden wb-elsewhere" }, "Try this server"), banner, place, h("section", { class: "wb-questions", "aria-label": "Questions" }, dock), separator(root, "wire", { label: "Width of the wire", side: "right" }));
  const wirePane = h("aside", { class: "wb-wire", id: "wire", "aria-label": "Wire" }, wire);
  const room = roomPane(app);
  const side = h("div", { class: "wb-side" }, wirePane, room.pane);
  const tabs = new TabBar(root, [
    { id: "do", label: "Do" },
    { id: "wire", label: "Wire" },
    { id: "room", label: "Room" },
    { id: "ask", label: "Ask" },
  ]);
  let view = null;
  let shown = null; // its place
  let isLost = false; // whether the server has forgotten the session, which the banner says until there is another one
  let kept = null; // what was typed there before the view was made anew, as for another revision: {place, value}

  const toggleDrawer = (isOpen = root.dataset.drawer !== "open") => {
    root.dataset.drawer = isOpen ? "open" : "closed";
    root.querySelector(".wb-drawer-button").setAttribute("aria-expanded", String(isOpen));
    if (isOpen) sidebar.focusSearch();
  };
  const failed = (error) => {
    banner.hidden = false;
    fill(banner, h("p", {}, error.message), h("button", { type: "button", onclick: reconnect }, "Try again"));
    announce(error.message, { now: true });
  };
  const reconnect = async () => {
    banner.hidden = true;
    try {
      await app.connect();
    } catch (error) {
      failed(error);
    }
  };
  const replace = (fragment) => history.replaceState(null, "", withParameter(fragment, "filter", toText(wire.filter)));
  /** The filter of the wire is in the fragment; links within the page have none, and keep it. */
  const followFilter = () => {
    const filter = parse(location.hash).parameters.get("filter");
    if (filter !== null) wire.filter = fromText(filter);
    else if (toText(wire.filter) !== null) replace(location.hash);
  };
  const showRoute = () => {
    followFilter();
    scene.follow(parse(location.hash));
    const route = parse(location.hash); // a scene completes it
    const next = app.whySignedOut ? views.start : views.of(route);
    sidebar.current = route;
    const here = `${route.kind}/${route.name}`;
    if (next !== view) {
      if (view?.value && shown === here) kept = { place: here, value: view.value() };
      view = next;
      fill(place, view.node);
    }
    shown = here;
    document.title = `${dock.open ? `(${dock.open}) ` : ""}${view.title} · Everything Server`;
    if (app.isConnected && !view.isMissing) {
      const isKept = kept?.place === here && kept.value !== undefined;
      view.apply(isKept ? { ...route, args: kept.value } : route);
      if (view.value) kept = null;
    }
    otherRevision(route);
    if (root.dataset.drawer === "open") toggleDrawer(false);
  };
  const otherRevision = ({ revision }) => {
    if (isLost && app.isSignedIn) return;
    if (isLost) banner.hidden = true;
    isLost = false;
    if (!app.isConnected || !revision || revision === app.client.revision) {
      if (app.isConnected) banner.hidden = true;
      return;
    }
    banner.hidden = false;
    const change = async () => {
      try {
        await app.connect(revision);
      } catch (error) {
        failed(error);
      }
    };
    fill(banner, h("p", {}, `This link is for ${revision}, and you are at ${app.client.revision}.`), h("button", { type: "button", onclick: change }, `Switch to ${revision}`));
  };
  const openRaw = ({ detail }) => {
    location.hash = format({ kind: "raw" });
    views.of({ kind: "raw", name: null }).take(detail);
  };

  const scene = new ScenePane(
    app,
    root,
    {
      route: () => parse(location.hash),
      replace,
      show: (fragment) => (replace(fragment), showRoute()),
      run: () => view.run(),
      look: (pane) => {
        tabs.select(pane);
        wire.follow();
      },
      dock,
    },
    scenes,
  );

  wire.addEventListener("resend", openRaw);
  wire.addEventListener("filter", () => replace(location.hash));
  /** Where the link that had the focus is gone, the title of the new view has it. */
  const keepFocus = () => document.activeElement === document.body && place.querySelector("h1")?.focus({ preventScroll: true });
  addEventListener("hashchange", () => {
    showRoute();
    tabs.select("do");
    keepFocus();
  });
  app.addEventListener("connected", () => {
    views.clear();
    isLost = false;
    banner.hidden = true;
    showRoute();
    keepFocus(); // Connect is gone
    app.catalog.addEventListener("change", () => (view === null || view === views.start || view.isMissing) && showRoute());
  });
  app.addEventListener("change", () => (!app.isConnected || view === views.start) && showRoute());
  app.addEventListener("signed-out", ({ detail }) => (announce(detail.why, { now: true }), showRoute()));
  app.addEventListener("session-lost", () => {
    isLost = true;
    banner.hidden = false;
    fill(banner, h("p", {}, "The server no longer knows this session (404)."), h("button", { type: "button", class: "main", onclick: reconnect }, "Open a new session"));
    announce("The session is lost", { now: true });
  });
  app.recording.addEventListener("change", () => tabs.badge("wire", app.recording.exchanges.length));
  // Only a call of a session waits for its answers.
  dock.deadlineOf = ({ kind, call }) => {
    if (!call || !hasSession(app.client.revision)) return null;
    const seconds = kind.startsWith("elicitation") ? root.dataset.personSeconds : root.dataset.modelSeconds;
    return Date.now() + Number(seconds) * 1000;
  };
  dock.controlsOf = questionBreakIt(app);
  dock.addEventListener("roots", () => {
    if (app.isConnected && hasSession(app.client.revision)) app.client.notify("notifications/roots/list_changed").catch(() => {}); // the wire shows it
  });
  dock.addEventListener("show", ({ detail }) => {
    tabs.select("wire");
    wire.show(detail.exchange.id);
  });
  app.addEventListener("notification", ({ detail }) => {
    const { method, params } = detail.message;
    if (method === "notifications/elicitation/complete") dock.completed(params.elicitationId);
  });
  dock.addEventListener("change", ({ detail }) => {
    tabs.badge("ask", detail.open);
    document.title = document.title.replace(/^(\(\d+\) )?/, detail.open ? `(${detail.open}) ` : "");
    root.dataset.asks = detail.open ? "true" : "false";
  });

  const panes = [list, main, wirePane, room.pane];
  root.addEventListener("pane", room.show);
  const help = shortcuts({
    run: () => app.isConnected && view?.run?.(),
    next: () => scene.next(),
    escape: () => scene.leavePresentation() || (root.dataset.drawer === "open" ? toggleDrawer(false) : document.activeElement?.closest(".wb-call")?.querySelector(".wb-cancel:not([hidden])")?.click()),
    search: () => (toggleDrawer(true), sidebar.focusSearch()),
    group: (kind) => (["session", "tasks"].includes(kind) ? app.show({ kind }) : (toggleDrawer(true), sidebar.focusGroup(kind))),
    question: () => (tabs.select(root.clientWidth < 640 ? "ask" : tabs.selected), dock.focusFirst()),
    breakIt: () => openBreakIt(),
    nextPane: (direction) => {
      const at = panes.findIndex((pane) => pane.contains(document.activeElement));
      const shown = panes.filter((pane) => pane.getClientRects().length > 0);
      const next = shown.at((shown.indexOf(panes[at]) + direction) % shown.length);
      (next === main ? (place.querySelector("h1") ?? next) : next.querySelector("[tabindex='0'], input, button, summary"))?.focus();
    },
    lettersChanged: (on) => (wire.letters = on),
  });
  const openBreakIt = () => {
    const menu = root.querySelector(".wb-call .wb-menu:not([hidden])") ?? root.querySelector(".wb-strip .wb-menu:not([hidden])");
    if (!menu) return;
    menu.open = true;
    menu.querySelector("summary").focus();
  };

  const top = strip(app, { onDrawer: () => toggleDrawer(), onHelp: () => help.showModal(), onFail: failed });
  fill(
    root,
    regions,
    top,
    goneBanner(app),
    scene.element,
    h("div", { class: "wb-panes" }, list, main, side),
    tabs.element,
  );
  return { showRoute, failed };
}
