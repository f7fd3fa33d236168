/** The bar of a scene, above the panes: what the next step does, what the last one has shown, and *Next*. */

import { announce } from "../base/announce.js";
import { fill, h } from "../base/dom.js";
import { copyButton } from "../base/parts.js";
import { format } from "../base/route.js";
import { sceneActions } from "./actions.js";
import { Player } from "./scene.js";

const COMMAND = "python manage.py runserver --processes 3";

/** All scenes, by name; none if they cannot be had, since the page does without. */
export async function loadScenes() {
  try {
    const response = await fetch(new URL("scenes.json", import.meta.url));
    return response.ok ? await response.json() : {};
  } catch {
    return {};
  }
}

/** The fragment that opens a scene. */
export const sceneLink = (name, { place }) => format({ ...place, scene: name });

/** The page while it plays a scene, and while it plays none. */
export class ScenePane {
  element = h("section", { class: "wb-scene", "aria-label": "Scene", hidden: true });
  #player = null;
  #name = null;
  #looked = -1; // the step for which the pane was last shown

  /**
   * @param {Object} app
   * @param {HTMLElement} root
   * @param {Object} page As for `sceneActions`, and `route()`, `replace(fragment)`, and `look(pane)`: show a pane.
   * @param {Object} scenes
   */
  constructor(app, root, page, scenes) {
    Object.assign(this, { app, root, page, scenes });
    const actions = sceneActions(app, { ...page, show: (place) => page.show(this.#fragment(place)) });
    this._perform = (action, argument) => actions[action](argument);
    app.addEventListener("change", () => this.#player && this.#show());
    app.addEventListener("connected", () => {
      if (document.activeElement === document.body) this.element.querySelector("[data-control=next]")?.focus(); // the button of the sign-in is gone
    });
  }

  get isOpen() {
    return this.#player !== null;
  }

  /** Follow the fragment: another scene opens, and one that has none leaves the scene where it is. */
  follow({ parameters }) {
    const name = parameters.get("scene");
    if (name !== null && name !== this.#name && Object.hasOwn(this.scenes, name)) this.#open(name, Number(parameters.get("step")) || 1);
    else this.#player?.look();
  }

  /** Perform the next step, as the key `n` does. */
  next() {
    if (this.#canGoOn) this.#player.next();
  }

  /** Leave the large type; false if it is not on. */
  leavePresentation() {
    if (!this.isPresented) return false;
    this.#present(false);
    return true;
  }

  get isPresented() {
    return document.documentElement.dataset.present === "true";
  }

  get #canGoOn() {
    return this.#player?.state === "ready" && this.app.isConnected && this.#hasAll;
  }

  get #hasAll() {
    return this.#player.scene.needs !== "relay" || this.app.hasRelay;
  }

  #open(name, step) {
    this.#player?.close();
    const scene = this.scenes[name];
    this.#name = name;
    this.#looked = -1;
    this.#player = new Player(scene, { recording: this.app.recording, perform: this._perform, isThere: () => this.#isAt(scene.place), step });
    this.#player.addEventListener("change", () => this.#changed());
    this.element.hidden = false;
    this.page.replace(this.#fragment(scene.place));
    this.#show();
  }

  #isAt({ kind, name }) {
    const shown = this.page.route();
    return shown.kind === kind && shown.name === name;
  }

  #close() {
    const { place } = this.#player.scene;
    this.#player.close();
    this.#player = null;
    this.#name = null;
    this.#present(false);
    delete this.root.dataset.focus;
    this.element.hidden = true;
    if (this.#isAt(place)) this.page.replace(format(place));
  }

  #fragment(place) {
    const { index, scene } = this.#player;
    return format({ ...place, scene: this.#name, step: Math.min(index + 1, scene.steps.length) });
  }

  #changed() {
    const { state, why, seen, step, scene } = this.#player;
    if (this.#isAt(scene.place)) this.page.replace(this.#fragment(scene.place));
    if (state === "astray") announce(why);
    if (state === "ready") announce([seen, step.say].filter(Boolean).join(" "));
    if (state === "over") announce(`${seen} The scene is over.`);
    this.#focus(state === "over" ? null : (step?.focus ?? null));
    this.#show();
  }

  /** Point at the pane to look at; on narrow screens, show it once. */
  #focus(pane) {
    if (pane) this.root.dataset.focus = pane;
    else delete this.root.dataset.focus;
    const { state, index } = this.#player;
    if (pane && state === "waiting" && index !== this.#looked) {
      this.#looked = index;
      this.page.look(pane);
    }
  }

  #present(isOn) {
    document.documentElement.dataset.present = String(isOn);
    if (this.#player) this.#show();
  }

  #show() {
    const { scene, index, state } = this.#player;
    const label = document.activeElement?.closest(".wb-scene") ? document.activeElement.dataset.control : null;
    this.element.dataset.state = state;
    fill(
      this.element,
      h("header", { class: "wb-scene-head" }, h("h2", {}, scene.title), h("span", { class: "wb-scene-place" }, state === "over" ? "The end" : `Step ${index + 1} of ${scene.steps.length}`), this.#tools()),
      this.#hasAll ? this.#step() : this.#missing(),
    );
    if (label) (this.element.querySelector(`[data-control="${label}"]:not(:disabled)`) ?? this.element.querySelector("button:not(:disabled)"))?.focus();
  }

  #tools() {
    const present = h("button", { type: "button", class: "plain", dataset: { control: "present" }, "aria-pressed": String(this.isPresented), onclick: () => this.#present(!this.isPresented) }, "Present");
    const close = h("button", { type: "button", class: "plain", "aria-label": "Close the scene", title: "Close the scene", dataset: { control: "close" }, onclick: () => this.#close() }, "✕");
    return h("span", { class: "wb-scene-tools" }, present, close);
  }

  #step() {
    const { state, seen, step, why } = this.#player;
    const isConnected = this.app.isConnected;
    const say = { ready: step?.say, waiting: `${step?.say} Waiting for it…`, astray: why, over: "" }[state];
    const text = [
      seen && state !== "astray" && h("p", { class: "wb-scene-seen" }, seen),
      say && h("p", {}, state !== "astray" && h("strong", {}, "Next: "), say),
      !isConnected && h("p", {}, "Connect first, below. A scene does nothing by itself."),
    ];
    return h("div", { class: "wb-scene-body" }, h("div", {}, text), h("div", { class: "wb-actions" }, this.#controls(state)));
  }

  #controls(state) {
    const player = this.#player;
    // Not `disabled`, which would take the focus from it while it waits.
    const next = h("button", { type: "button", class: "main", dataset: { control: "next" }, "aria-disabled": this.#canGoOn ? null : "true", title: "Next (n)", onclick: () => this.next() }, "Next ", h("kbd", {}, "n"));
    const setRight = h("button", { type: "button", class: "main", dataset: { control: "next" }, disabled: !this.app.isConnected, onclick: () => player.setRight() }, "Set right");
    const again = h("button", { type: "button", dataset: { control: "again" }, onclick: () => player.restart() }, "From the start");
    if (state === "astray") return [setRight, player.index > 0 && again];
    return state === "over" ? [this.#nextScene(), again] : next;
  }

  #nextScene() {
    const names = Object.keys(this.scenes);
    const name = names[names.indexOf(this.#name) + 1];
    return name && h("a", { class: "button", href: sceneLink(name, this.scenes[name]) }, `Next scene: ${this.scenes[name].title}`);
  }

  #missing() {
    return [
      h("p", {}, "This scene needs several processes and the relay that can kill them, and this server has neither. Start it with"),
      h("div", { class: "wb-actions" }, h("code", {}, COMMAND), copyButton("Copy", () => COMMAND)),
    ];
  }
}
