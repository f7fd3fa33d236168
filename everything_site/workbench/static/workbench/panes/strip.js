/** The strip above the panes: revision, session, process, and what concerns all of them. */

import { fill, h } from "../base/dom.js";
import { REVISIONS, isStateless } from "../protocol/revisions.js";
import { sessionBreakIt } from "./break_it.js";
import { processName } from "./call_card.js";

/** @param {{onDrawer: Function, onHelp: Function, onFail: (error: Error) => void}} handlers */
export function strip(app, { onDrawer, onHelp, onFail }) {
  const revision = h("select", { id: "wb-revision", "aria-label": "Revision of the protocol" }, REVISIONS.map((one) => h("option", { value: one }, one)));
  revision.addEventListener("change", async () => {
    if (!app.isSignedIn) {
      app.revision = revision.value;
      return;
    }
    try {
      await app.connect(revision.value);
    } catch (error) {
      onFail(error);
    }
  });
  const session = h("span", { class: "wb-session" });
  const process = h("span", { class: "wb-last-process" });
  const breakIt = sessionBreakIt(app);
  const disconnect = h("button", { type: "button", class: "plain", onclick: () => app.signOut() }, "Disconnect");
  const show = () => {
    revision.value = app.client?.revision ?? app.revision;
    const { client } = app;
    breakIt.hidden = disconnect.hidden = !app.isSignedIn;
    const isOn = app.isConnected && app.isSignedIn;
    session.dataset.state = isOn ? "on" : "off";
    session.textContent = !isOn ? "not connected" : isStateless(client.revision) ? "no session" : `session ${client.sessionId ? `${client.sessionId.slice(0, 4)}…` : "open"}`;
  };
  const showProcess = () => {
    const last = app.recording.exchanges.findLast(({ servedBy }) => servedBy)?.servedBy;
    const chosen = app.client?.http.process;
    fill(process, last && [h("span", { class: "hidden" }, "Last served by "), processName(last)], chosen && h("span", { class: "badge question", title: "All requests go to this process" }, `→ ${chosen}`));
  };
  app.addEventListener("change", () => (show(), showProcess()));
  app.recording.addEventListener("change", ({ detail }) => detail.kind === "response" && showProcess());
  show();
  return h(
    "div",
    { class: "wb-strip", role: "region", "aria-label": "Connection" },
    h("button", { type: "button", class: "wb-drawer-button", "aria-label": "Features", "aria-expanded": "false", onclick: onDrawer }, "☰"),
    revision,
    session,
    process,
    h("span", { class: "wb-gap" }),
    breakIt,
    disconnect,
    h("button", { type: "button", class: "plain wb-help-button", "aria-label": "Keyboard shortcuts", onclick: onHelp }, "?"),
  );
}
