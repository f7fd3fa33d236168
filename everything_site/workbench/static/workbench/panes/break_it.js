/** Controls that break things on purpose: streams, processes, tokens. */

import { fill, h } from "../base/dom.js";
import { control, menu, refill } from "../base/menu.js";
import { hasResumption, isStateless } from "../protocol/revisions.js";

const LATER = 10; // seconds

/** What can be done to a running call. */
export function breakItMenu(app, call) {
  const items = h("div", {});
  const box = menu("Break it", items, { title: "Break it (b)", opens: () => show() });
  const show = () => {
    const process = call.processes.at(-1);
    const cutWhy = call.canBeCut ? "" : "The call has no open stream of its own.";
    refill(
      items,
      control("Cut this stream", () => call.cut(), {
        why: cutWhy,
        note: isStateless(app.client.revision) ? "In this revision that cancels the call." : "The call goes on; resume it when you like.",
      }),
      control(process ? `Kill ${process}, which serves this call` : "Kill the process of this call", () => app.kill(process, call), {
        why: app.processes.isAvailable ? (process ? "" : "It is not yet known which process that is.") : app.processes.whyNot,
        note: hasResumption(app.client.revision) ? "The call resumes elsewhere by itself." : "Without resumption, the call is lost.",
      }),
    );
  };
  call.addEventListener("change", () => box.open && show());
  return box;
}

/** Where and when a call that was cut goes on. */
export function resumeControls(app, call) {
  const box = h("div", { class: "wb-resume", role: "group", "aria-label": "Resume the call", hidden: true });
  let wasCut = false;
  call.addEventListener("change", () => {
    const isCut = call.state === "cut" && call.status !== null;
    if (isCut === wasCut) return;
    wasCut = isCut;
    box.hidden = !isCut;
    if (isCut) fill(box, resumeButtons(app, call));
  });
  return box;
}

function resumeButtons(app, call) {
  const later = h("button", { type: "button" }, `Resume in ${LATER} s`);
  later.addEventListener("click", () => {
    later.disabled = true;
    const text = "You resume it soon; meanwhile it goes on without you";
    call.update({ status: { text, until: Date.now() + LATER * 1000 } });
    setTimeout(() => call.resume(), LATER * 1000);
  });
  const elsewhere = app.processes.alive.filter(({ name }) => name !== call.servedBy);
  return [
    h("button", { type: "button", class: "main", onclick: () => call.resume() }, "Resume here"),
    ...elsewhere.map(({ name }) => h("button", { type: "button", onclick: () => call.resume({ process: name }) }, `Resume at ${name}`)),
    later,
  ];
}

/** What can be done to the requests, the processes and the token of this tab. */
export function sessionBreakIt(app) {
  const items = h("div", {});
  const box = menu("Break it", items, { title: "Break the token, or choose a process" });
  const show = () => refill(items, nextProcess(app), processControls(app), tokenControls(app));
  box.addEventListener("toggle", async () => {
    if (!box.open) return;
    show();
    if (app.hasRelay) await app.processes.refresh();
    show();
  });
  return box;
}

function nextProcess(app) {
  const { processes, client } = app;
  const select = h(
    "select",
    { id: "wb-next-process", disabled: !processes.isAvailable },
    h("option", { value: "" }, "Auto"),
    processes.alive.map(({ name }) => h("option", { value: name, selected: client?.http.process === name }, name)),
  );
  select.addEventListener("change", () => {
    client.http.process = select.value || null;
    app.chose(client.http.process);
  });
  return h(
    "div",
    { class: "wb-menu-item" },
    h("label", { htmlFor: "wb-next-process" }, "Next requests to"),
    select,
    h("small", {}, processes.isAvailable ? "Stays until you choose Auto." : processes.whyNot),
  );
}

function processControls(app) {
  if (!app.processes.isAvailable) return null;
  return app.processes.list.map(({ name, state }) =>
    state === "dead" ? control(`Start ${name}`, () => app.processes.start(name), { note: "It is dead, and starts by itself in a few seconds." }) : control(`Kill ${name}`, () => app.kill(name)),
  );
}

function tokenControls(app) {
  const { tokens } = app;
  const why = tokens.access ? "" : "There is no access token.";
  const extra = tokens.scopes.length > 1 ? "" : `The token has only the scope ${tokens.scopes[0] ?? "mcp"}.`;
  return [
    control("Corrupt the access token", () => tokens.corrupt(), { why, note: "The next request gets 401; the page refreshes." }),
    control("Forget the access token", () => tokens.forget(), { why, note: "The next request has none." }),
    control("Revoke the tokens", () => tokens.revokeUnnoticed(), { why, note: "Everything from this sign-in ends at once, everywhere. The next request makes you sign in again." }),
    control("Drop a scope", () => tokens.refresh({ scope: tokens.scopes[0] }), { why: why || extra, note: "Refreshes for fewer scopes; a tool may then ask for more." }),
  ];
}
