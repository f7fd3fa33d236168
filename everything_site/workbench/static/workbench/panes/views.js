/** Which view shows a place, and what stands there when the server has no such thing. */

import { h } from "../base/dom.js";
import { viewHead } from "../base/parts.js";
import { promptView } from "./view_prompt.js";
import { rawView } from "./view_raw.js";
import { resourceView, templateView } from "./view_resource.js";
import { sessionView } from "./view_session.js";
import { skillView } from "./view_skill.js";
import { startView } from "./view_start.js";
import { tasksView } from "./view_tasks.js";
import { toolView } from "./view_tool.js";

const OF_ITEMS = { tools: toolView, resources: resourceView, templates: templateView, prompts: promptView, skills: skillView };
const OF_PLACES = { tasks: tasksView, session: sessionView, raw: rawView };

const WORDS = { tools: "tool", resources: "resource", templates: "template", prompts: "prompt", skills: "skill" };

/** The views of one connection; a place that is left keeps its form. */
export class Views {
  #views = new Map();

  constructor(app, scenes) {
    this.app = app;
    this.start = startView(app, scenes);
  }

  /** Forget all views but the first: the lists are those of another connection. */
  clear() {
    this.#views.clear();
  }

  /** The view of a place: `{node, title, apply(route), run?()}`. */
  of({ kind, name }) {
    if (kind === "start" || !this.app.isConnected || !this.app.catalog) return this.start;
    if (kind in OF_PLACES) return this.#kept(kind, () => OF_PLACES[kind](this.app));
    if (name === null) return this.start;
    const item = this.app.catalog.find(kind, name) ?? this.#unlisted(kind, name);
    return item ? this.#kept(`${kind}/${name}`, () => OF_ITEMS[kind](this.app, item)) : missing(this.app, kind, name);
  }

  /** Resources need not be listed: links lead to others, and lists come in pages. */
  #unlisted(kind, name) {
    return kind === "resources" ? { uri: name, name } : null;
  }

  #kept(key, make) {
    if (!this.#views.has(key)) this.#views.set(key, make());
    return this.#views.get(key);
  }
}

function missing(app, kind, name) {
  const list = app.catalog.lists[kind];
  const about = !list.isLoaded
    ? "Loading the list…"
    : `At ${app.client.revision} the server has no such ${WORDS[kind]}. It may belong to another revision, which you can choose above, or it is a test fixture, which needs CONFORMANCE_FIXTURES=true.`;
  return { node: h("div", { class: "wb-view" }, viewHead({ title: name, about })), title: name, apply() {}, isMissing: true };
}
