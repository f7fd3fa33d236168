/**
 * `<es-questions>`: the questions of the server that wait for an answer, as cards grouped by call, oldest first.
 *
 * A question takes no focus: a live region says it, and the title of the page counts. Answering returns the focus to where
 * it came from. Events: `change` with `detail: {open}`; `show` with `detail: {exchange}` when the person wants to see the
 * question in the wire; `roots` when the list of roots has changed.
 */

import { fill, h } from "../base/dom.js";
import { later } from "../base/timers.js";
import { Preferences } from "./answers.js";
import { KINDS, cardBody, headline, rootsEditor } from "./cards.js";

const MAX_DEAD_CARDS = 10;

function store() {
  try {
    return window.localStorage;
  } catch {
    return undefined;
  }
}

const seconds = (milliseconds) => {
  const all = Math.max(0, Math.round(milliseconds / 1000));
  return all < 60 ? `${all} s` : `${Math.floor(all / 60)} min ${all % 60} s`;
};

/** Who asks: the tool or prompt that a call is about, or whatever the question names. */
const askerOf = ({ asker, call }) => asker ?? call?.params?.name ?? call?.params?.uri ?? call?.method ?? "Outside of a call";

export class QuestionsElement extends HTMLElement {
  #cards = []; // {question, group, element, settle, state: "open" | "waiting" | "ended", since, clock, …}
  #origin = null;
  #timer = 0;
  #last = 0;

  constructor() {
    super();
    this.preferences = new Preferences(store());
    /** How long a question that was withdrawn stays to be read, in milliseconds. */
    this.leaveAfter = 20_000;
    /** When the server stops waiting for a question, in milliseconds since 1970; `null` if it does not say. */
    this.deadlineOf = () => null;
    /** What a person can do to a question besides answering it: `(question, {ignore}) => Node[]`. */
    this.controlsOf = () => null;
    this.heading = h("h2", { class: "questions-title", tabIndex: -1 }, "Questions");
    this.count = h("span", { class: "badge questions-count", hidden: true });
    this.fold = h("button", { type: "button", class: "link questions-fold", hidden: true, onclick: () => this.#fold(!this.isFolded) });
    this.live = h("p", { class: "hidden", role: "status", "aria-live": "polite" });
    this.empty = h("p", { class: "questions-none" }, "No open questions. When a tool asks you something, it appears here.");
    this.list = h("div", { class: "questions-list" });
    this.addEventListener("focusin", ({ relatedTarget }) => {
      if (relatedTarget && !this.contains(relatedTarget)) this.#origin = relatedTarget;
    });
  }

  connectedCallback() {
    if (this.heading.isConnected) return;
    const parts = [h("div", { class: "questions-head" }, this.heading, this.count, this.fold), this.live, this.empty, this.list, this.#settings()];
    // The `change` of a control within must not be taken for that of this element.
    this.append(h("div", { class: "questions-parts", onchange: (event) => event.stopPropagation() }, parts));
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
    this.#timer = 0;
  }

  /** How many questions wait for an answer. */
  get open() {
    return this.#cards.filter(({ state }) => state === "open").length;
  }

  /**
   * Ask the person.
   *
   * @param {{id: *, kind: string, params: Object, call: ?Object, exchange: ?Object, asker: ?string, until: ?number}}
   *   question `kind` is elicitation-form, elicitation-url, sampling or roots; `asker` says who asks if no call does.
   * @returns {Promise<Object>} The JSON-RPC result. Rejects with `{code, message}` to answer with an error, and with the name
   *   `Withdrawn` if no answer is wanted any more.
   */
  ask(question) {
    return new Promise((resolve, reject) => {
      const automatic = this.preferences.automatic(question); // it may throw, which rejects
      if (automatic !== undefined) {
        this.#say(`Answered automatically: ${headline(question)}`);
        resolve(automatic);
        return;
      }
      const until = question.until ?? this.deadlineOf(question) ?? null;
      const card = { question: { ...question, until }, resolve, reject, state: "open", since: Date.now(), number: ++this.#last };
      this.#cards.push(card);
      this.#place(card);
      this.#say(`${askerOf(question)} asks: ${headline(question)}`);
      this.#changed();
      this.#reveal(card);
    });
  }

  /** No answer is wanted any more, for a reason that the person is told. */
  withdraw(id, reason) {
    for (const card of this.#cards.filter(({ question, state }) => question.id === id && state !== "ended")) {
      const wasOpen = card.state === "open";
      this.#end(card, reason);
      if (wasOpen) card.reject(Object.assign(new Error(reason), { name: "Withdrawn" }));
    }
    this.#changed();
  }

  /** The server says that what happened on a page is complete (`notifications/elicitation/complete`). */
  completed(elicitationId) {
    for (const card of this.#cards.filter(({ question, state }) => state === "waiting" && question.params.elicitationId === elicitationId)) {
      this.#say("The server says that the visit is complete.");
      this.#remove(card);
    }
    this.#changed();
  }

  /** Whether only the heading is shown, which leaves the room to what is above. */
  get isFolded() {
    return "folded" in this.dataset;
  }

  #fold(is) {
    this.toggleAttribute("data-folded", is);
    this.fold.textContent = is ? "Show" : "Hide";
    this.fold.setAttribute("aria-expanded", String(!is));
  }

  /** Put the focus on the first open question; true if there is one. */
  focusFirst() {
    this.#fold(false);
    const first = this.#cards.find(({ state }) => state === "open");
    first?.element.querySelector("input, textarea, select, .question-actions a, .question-actions button")?.focus();
    return Boolean(first);
  }

  /** Bring a new question into view, but not while an older one is being answered. */
  #reveal({ element }) {
    this.#fold(false);
    if (!this.contains(document.activeElement)) element.scrollIntoView({ block: "nearest" });
  }

  /**
   * Answer the first open question without its card.
   *
   * @param {(question: Object) => Object} make Makes the result.
   * @param {Object} delivery How the answer is sent; see `Client`.
   * @returns {boolean} Whether there is such a question.
   */
  answerFirst(make, delivery) {
    const first = this.#cards.find(({ state }) => state === "open");
    if (!first) return false;
    const result = make(first.question);
    Object.assign(first.question.delivery, delivery);
    this.#answer(first, () => first.resolve(result), result);
    return true;
  }

  #place(card) {
    const { question } = card;
    const key = question.call ?? askerOf(question);
    let group = [...this.list.children].find((one) => one.key === key);
    if (!group) {
      group = h("section", { class: "question-group", "aria-label": `Questions of ${askerOf(question)}` }, h("h3", { class: "question-group-title" }, askerOf(question)));
      group.key = key;
      this.list.append(group);
    }
    card.group = group;
    const id = `es-question-${card.number}`;
    card.place = h("span", { class: "question-place" });
    card.clock = h("span", { class: "question-clock" });
    card.title = h("h4", { id, class: "question-title" }, h("span", { class: "badge" }, KINDS[question.kind]), " ", headline(question));
    card.body = h("div", { class: "question-body" });
    card.controls = h("div", { class: "question-controls" }, this.controlsOf(question, { ignore: (text) => this.#ignore(card, text) }));
    card.element = h(
      "article",
      { class: "question", "aria-labelledby": id, dataset: { kind: question.kind, state: "open" } },
      h("header", {}, card.title, h("p", { class: "question-meta" }, card.place, card.clock, question.exchange ? h("button", { type: "button", class: "link", onclick: () => this.#tell("show", { exchange: question.exchange }) }, "Show in the wire") : null)),
      card.body,
      card.controls,
    );
    const how = {
      preferences: this.preferences,
      changed: () => this.#tell("roots", {}),
      answer: (result) => this.#answer(card, () => card.resolve(result), result),
      refuse: (error) => this.#answer(card, () => card.reject(error)),
    };
    fill(card.body, cardBody(question, how));
    group.append(card.element);
  }

  #answer(card, settle, result) {
    if (card.state !== "open") return;
    settle();
    const isVisit = card.question.kind === "elicitation-url" && result?.action === "accept" && card.question.params.elicitationId;
    const hadFocus = card.element.contains(document.activeElement);
    if (isVisit) this.#wait(card, "Accepted. Waiting for the server to say that the visit is complete…");
    else this.#remove(card);
    this.#say("Answered.");
    this.#changed();
    if (hadFocus) this.#return();
  }

  /** Leave a question without an answer for ever. */
  #ignore(card, text) {
    this.#wait(card, text);
    this.#say(text);
    this.#changed();
    this.#return();
  }

  #wait(card, text) {
    card.state = "waiting";
    card.element.dataset.state = "waiting";
    card.controls.remove();
    fill(card.body, h("p", {}, text), h("button", { type: "button", class: "mini", onclick: () => (this.#remove(card), this.#changed(), this.#return()) }, "Dismiss"));
  }

  #end(card, reason) {
    card.state = "ended";
    card.element.dataset.state = "ended";
    card.place.textContent = "";
    const hadFocus = card.body.contains(document.activeElement);
    card.controls.remove();
    fill(card.title, h("span", { class: "badge" }, "Withdrawn"), " ", h("s", {}, headline(card.question)));
    fill(card.body, h("p", { class: "question-reason" }, reason), h("button", { type: "button", class: "mini", onclick: () => (this.#remove(card), this.#changed(), this.#return()) }, "Dismiss"));
    this.#say(`Question withdrawn: ${reason}`);
    if (hadFocus) this.#return();
    const dead = this.#cards.filter(({ state }) => state === "ended");
    if (dead.length > MAX_DEAD_CARDS) this.#remove(dead[0]);
    later(this.leaveAfter, () => this.#leave(card));
  }

  /** Remove a card that nobody is reading just now; else a little later. */
  #leave(card) {
    if (!card.element.isConnected) return;
    if (card.element.matches(":hover, :focus-within")) return later(this.leaveAfter, () => this.#leave(card));
    this.#remove(card);
    this.#changed();
  }

  #remove(card) {
    this.#cards = this.#cards.filter((one) => one !== card);
    card.element.remove();
    if (!card.group.querySelector(".question")) card.group.remove();
  }

  /** Back to where the person was before they came here, if that is still there. */
  #return() {
    if (this.#origin?.isConnected && this.#origin.checkVisibility?.() !== false) this.#origin.focus();
    else this.heading.focus();
  }

  #changed() {
    const { open } = this;
    this.empty.hidden = this.#cards.length > 0;
    this.fold.hidden = !this.empty.hidden;
    if (this.fold.hidden) this.#fold(false);
    this.count.hidden = !open;
    this.count.textContent = String(open);
    for (const group of this.list.children) {
      const cards = this.#cards.filter((card) => card.group === group && card.state === "open");
      cards.forEach((card, index) => (card.place.textContent = cards.length > 1 ? `${index + 1} of ${cards.length}` : ""));
    }
    document.title = (open ? `(${open}) ` : "") + document.title.replace(/^\(\d+\) /, "");
    this.#tick();
    if (this.#cards.length && !this.#timer) this.#timer = setInterval(() => this.#tick(), 1000);
    if (!this.#cards.length) {
      clearInterval(this.#timer);
      this.#timer = 0;
    }
    this.#tell("change", { open });
  }

  #tick() {
    const now = Date.now();
    for (const { state, question, since, clock } of this.#cards) {
      if (state === "ended") clock.textContent = "";
      else if (question.until) clock.textContent = now < question.until ? `the server waits ${seconds(question.until - now)} more` : "the server has stopped waiting";
      else clock.textContent = `asked ${seconds(now - since)} ago`;
    }
  }

  #say(text) {
    this.live.textContent = text;
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #settings() {
    const select = (label, key, options) =>
      h("label", { class: "questions-rule" }, h("span", {}, label), h("select", { onchange: ({ target }) => this.preferences.set({ [key]: target.value }) }, options.map(([value, text]) => h("option", { value, selected: this.preferences[key] === value }, text))));
    return h(
      "details",
      { class: "questions-settings" },
      h("summary", {}, "Automatic answers"),
      select("Sampling", "sampling", [["ask", "Ask me"], ["echo", "Echo the last message"], ["tool", "Use the offered tool"], ["refuse", "Refuse"]]),
      select("Roots", "roots", [["ask", "Ask me"], ["send", "Send this list"]]),
      rootsEditor(this.preferences, () => this.#tell("roots", {})),
    );
  }
}

customElements.define("es-questions", QuestionsElement);
