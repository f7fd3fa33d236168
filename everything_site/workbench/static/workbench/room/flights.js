/** What moves in the machine room: dots that fly, bars that run out, cards that flash. Only transform and opacity. */

const FLIGHT = 600;
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const MAX_DOTS = 24;

export class Flights {
  #picture;
  #redis;
  #log;
  #dots = 0;

  /**
   * @param {HTMLElement} picture In which dots fly.
   * @param {HTMLElement} redis Through which wake-ups go.
   * @param {HTMLElement} log Whose first line is highlighted instead, where motion is not wanted.
   */
  constructor(picture, redis, log) {
    this.#picture = picture;
    this.#redis = redis;
    this.#log = log;
  }

  /** A new element fades in. */
  appear(element) {
    if (!CALM.matches) element.animate?.([{ opacity: 0 }, { opacity: 1 }], { duration: 240, easing: "ease-out" });
  }

  /**
   * Show an event.
   *
   * @param {Object} event
   * @param {(kind: string, key: string) => HTMLElement | undefined} find
   */
  show(event, find) {
    if (document.hidden) return;
    const process = find("process", event.process);
    const client = find("client", event.session ?? "2026-07-28");
    const strip = find("session", event.session);
    switch (event.type) {
      case "request.start":
        this.#fly([client, process], "request", FLIGHT / 2);
        break;
      case "request.end":
        this.#flash(process, event.outcome === "result" ? "ok" : "error");
        break;
      case "log.append":
        this.#fly([process, strip ?? this.#redis], "append", FLIGHT / 2);
        break;
      case "wake.sent":
        for (const name of event.to) this.#fly([process, strip ?? this.#redis, find("process", name)], "wake", FLIGHT);
        break;
      case "wake.heard":
        this.#flash(process, "wake");
        break;
      case "question.asked":
        this.#fly([process, client], "question", FLIGHT);
        break;
      case "question.answered":
        this.#fly(event.of === event.process ? [client, process] : [client, process, this.#redis, find("process", event.of)], "question", FLIGHT);
        break;
      case "call.taken":
        this.#fly([event.of ? find("process", event.of) : strip, process], "taken", FLIGHT * 1.5);
        break;
      case "process.gone":
        this.#flash(process, "error");
        break;
    }
    if (CALM.matches) this.#highlight();
  }

  /**
   * The bar of a lease runs out, unless it is renewed.
   *
   * @param {HTMLElement} element The call.
   * @param {{renewedAt: number, leaseMs: number, state: string}} call
   */
  lease(element, call) {
    const bar = element.querySelector(".r-lease > span");
    if (!bar || element.dataset.renewed === String(call.renewedAt)) return;
    element.dataset.renewed = String(call.renewedAt);
    for (const animation of bar.getAnimations()) animation.cancel();
    if (call.state !== "running") return;
    const passed = Date.now() - call.renewedAt * 1000;
    const animation = bar.animate([{ transform: "scaleX(1)" }, { transform: "scaleX(0)" }], { duration: call.leaseMs, fill: "forwards", easing: CALM.matches ? "steps(5)" : "linear" });
    animation.currentTime = Math.min(Math.max(0, passed), call.leaseMs);
  }

  /** The light of a process pulses when it is heard of. */
  beat(light, process) {
    if (!process || CALM.matches || process.seen - Number(light.dataset.seen ?? 0) < 0.9) return;
    light.dataset.seen = String(process.seen);
    light.animate([{ opacity: 0.25 }, { opacity: 1 }], { duration: 600, easing: "ease-out" });
  }

  #flash(element, kind) {
    if (!element || CALM.matches) return;
    const light = element.querySelector(":scope > .r-light") ?? element.appendChild(Object.assign(document.createElement("span"), { className: "r-light" }));
    light.setAttribute("aria-hidden", "true");
    light.dataset.kind = kind;
    light.animate([{ opacity: 0.9 }, { opacity: 0 }], { duration: 500, easing: "ease-out" });
  }

  #fly(stations, kind, duration) {
    const seen = stations.filter(Boolean);
    if (seen.length < 2 || CALM.matches || this.#dots >= MAX_DOTS) return;
    const frame = this.#picture.getBoundingClientRect();
    const places = seen.map((element) => {
      const box = element.getBoundingClientRect();
      return [box.left + box.width / 2 - frame.left, box.top + Math.min(box.height / 2, 28) - frame.top];
    });
    const dot = document.createElement("span");
    dot.className = "r-dot";
    dot.dataset.kind = kind;
    dot.setAttribute("aria-hidden", "true");
    this.#picture.append(dot);
    this.#dots += 1;
    const frames = places.map(([x, y], index) => ({ transform: `translate(${x}px, ${y}px)`, opacity: index === places.length - 1 ? 0.2 : 1 }));
    dot.animate(frames, { duration, easing: "ease-in-out" }).finished.catch(() => {}).then(() => {
      dot.remove();
      this.#dots -= 1;
    });
  }

  #highlight() {
    this.#log.classList.add("r-lit");
    clearTimeout(this.highlighted);
    this.highlighted = setTimeout(() => this.#log.classList.remove("r-lit"), 1500);
  }
}
