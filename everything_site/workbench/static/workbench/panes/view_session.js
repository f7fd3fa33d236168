/** The session: what was negotiated, and what concerns no single feature. */

import { fill, h } from "../base/dom.js";
import { errorLine, jsonDetails, viewHead } from "../base/parts.js";
import { clientCapabilities, has, isHttpSse, isStateless } from "../protocol/revisions.js";

const LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
const CHANGES = [
  ["toolsListChanged", "Tools"],
  ["promptsListChanged", "Prompts"],
  ["resourcesListChanged", "Resources"],
];

export function sessionView(app) {
  const said = h("div", { class: "wb-outcome", "aria-live": "polite" });
  const attempt = (work) => async () => {
    try {
      fill(said, h("p", { class: "wb-note" }, await work()));
    } catch (error) {
      fill(said, errorLine(error));
    }
  };
  const facts = h("dl", { class: "wb-facts" });
  const showFacts = () => {
    const { client } = app;
    if (!client?.server) return;
    const rows = [
      ["Server", `${client.server.serverInfo?.title ?? client.server.serverInfo?.name ?? ""} ${client.server.serverInfo?.version ?? ""}`],
      ["Revision", client.revision],
      ["Session", client.sessionId ?? (isHttpSse(client.revision) ? "named in the URL of the message endpoint" : "none: each request stands alone")],
      ["Scopes", app.tokens.scopes.join(", ")],
      ["Message stream", client.stream ? client.stream.state : "none"],
      ["Subscriptions", app.subscriptions.uris.join(", ") || "none"],
    ];
    fill(facts, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  };
  app.addEventListener("change", showFacts);
  app.subscriptions.addEventListener("change", showFacts);
  showFacts();

  const { client } = app;
  const node = h(
    "div",
    { class: "wb-view" },
    viewHead({ title: "Session", about: isStateless(client.revision) ? "This revision has no sessions: every request says who asks, and any process answers." : "A session that no process owns: any process answers, and any may die." }),
    facts,
    h(
      "div",
      { class: "wb-actions" },
      has(client.revision, "ping") && h("button", { type: "button", onclick: attempt(() => ping(app)) }, "Ping"),
      has(client.revision, "ping") && h("button", { type: "button", onclick: attempt(() => findOther(app)) }, "Ping until another process answers"),
      h("button", { type: "button", onclick: attempt(async () => (await app.connect(), "A new session.")) }, isStateless(client.revision) ? "Discover again" : "New session"),
      !isStateless(client.revision) && !isHttpSse(client.revision) && h("button", { type: "button", class: "danger", onclick: attempt(async () => (await client.end(), "The session was deleted.")) }, "Delete the session"),
      h("button", { type: "button", onclick: () => app.signOut() }, "Disconnect"),
    ),
    said,
    stream(app, showFacts),
    logging(app, attempt),
    has(client.revision, "listen streams") && listening(app),
    notifications(app),
    client.server?.instructions && h("details", { class: "wb-json" }, h("summary", {}, "Instructions of the server"), h("p", {}, client.server.instructions)),
    jsonDetails("What the server can do", client.server?.capabilities ?? {}),
    jsonDetails("What this client declares", clientCapabilities(client.revision)),
  );
  return { node, title: "Session", apply() {} };
}

async function ping({ client }) {
  const call = client.start("ping", undefined, { lane: "Session" });
  await call.promise;
  return `Answered${call.servedBy ? ` by ${call.servedBy}` : ""} in ${call.endedAt - call.startedAt} ms.`;
}

/** Behind a balancer without our relay, repeating is the one way to reach another process. */
async function findOther({ client }) {
  const first = client.start("ping", undefined, { lane: "Session" });
  await first.promise;
  if (!first.servedBy) return "The server does not say which process answers (X-Served-By).";
  for (let attempt = 1; attempt <= 10; attempt += 1) {
    const call = client.start("ping", undefined, { lane: "Session" });
    await call.promise;
    if (call.servedBy !== first.servedBy) return `${first.servedBy} answered first, and ${call.servedBy} after ${attempt} more.`;
  }
  return `Ten more pings were all answered by ${first.servedBy}.`;
}

function stream(app, showFacts) {
  const { client } = app;
  if (!client.stream) return null;
  const button = h("button", { type: "button" });
  const cut = h("button", { type: "button", onclick: () => client.stream.cut() }, "Cut it");
  const resume = h("button", { type: "button", onclick: () => client.stream.resume() }, "Resume it");
  const show = () => {
    button.textContent = client.stream.isOver ? "Open the stream" : "Close the stream";
    cut.hidden = client.stream.state !== "streaming";
    resume.hidden = client.stream.state !== "cut";
    showFacts();
  };
  const watch = () => client.stream.addEventListener("change", show);
  button.addEventListener("click", () => {
    if (client.stream.isOver) {
      client.openStream();
      watch();
    } else client.stream.cancel("You closed it");
    show();
  });
  watch();
  show();
  return h("section", { "aria-label": "Stream" }, h("h2", {}, "Stream for the server’s messages"), h("div", { class: "wb-actions" }, button, cut, resume));
}

function logging(app, attempt) {
  const { client } = app;
  const select = h("select", { id: "wb-level" }, h("option", { value: "" }, "not set"), LEVELS.map((level) => h("option", { selected: client.logLevel === level }, level)));
  const set = attempt(async () => {
    client.logLevel = select.value || null;
    if (isStateless(client.revision)) return select.value ? `Requests now ask for log messages of level ${select.value} and above.` : "Requests no longer ask for log messages.";
    if (select.value) await client.request("logging/setLevel", { level: select.value });
    return `The level is ${select.value}.`;
  });
  select.addEventListener("change", set);
  return h("section", { "aria-label": "Logging" }, h("h2", {}, "Log messages"), h("div", { class: "wb-row" }, h("div", {}, h("label", { htmlFor: "wb-level" }, "Level"), select)));
}

function listening(app) {
  const boxes = CHANGES.map(([name, label]) => h("label", { class: "choice" }, h("input", { type: "checkbox", name, checked: true }), label));
  const list = h("ul", { class: "wb-files" });
  const open = () => {
    const wanted = boxes.map((box) => box.firstChild).filter(({ checked }) => checked);
    const call = app.client.listen(Object.fromEntries(wanted.map(({ name }) => [name, true])));
    const state = h("span", {});
    const close = h("button", { type: "button", class: "link", onclick: () => call.cancel("You closed the stream") }, "Close");
    const show = () => {
      state.textContent = `Stream ${call.id}: ${wanted.map(({ name }) => name).join(", ")}: ${call.state} `;
      close.hidden = call.isOver;
    };
    call.addEventListener("change", show);
    show();
    list.append(h("li", {}, state, close));
  };
  return h(
    "section",
    { "aria-label": "Listening" },
    h("h2", {}, "Listen for changes of lists"),
    h("div", { class: "wb-actions" }, boxes, h("button", { type: "button", onclick: open }, "Open a listen stream")),
    list,
  );
}

function notifications(app) {
  const list = h("ol", {});
  const log = h("div", { class: "wb-notifications", role: "log", "aria-label": "Notifications", tabIndex: 0 }, list);
  const empty = h("p", { class: "wb-note" }, "No notifications yet.");
  const show = () => {
    empty.hidden = app.notifications.length > 0;
    log.hidden = !empty.hidden;
    fill(list, app.notifications.map(({ at, message }) => notification(at, message)));
  };
  app.addEventListener("notification", show);
  show();
  return h("section", { "aria-label": "Notifications" }, h("h2", {}, "Notifications"), empty, log);
}

function notification(at, { method, params = {} }) {
  const { level, logger, data, uri } = params;
  const text = data === undefined ? (uri ?? "") : `${level}${logger ? ` ${logger}` : ""}: ${typeof data === "string" ? data : JSON.stringify(data)}`;
  return h("li", {}, h("time", {}, at.toLocaleTimeString()), " ", h("code", {}, method.replace("notifications/", "")), ` ${text}`);
}
