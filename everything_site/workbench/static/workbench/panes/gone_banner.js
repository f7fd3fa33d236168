/** What the page says while the server does not answer. */

import { announce } from "../base/announce.js";
import { fill, h } from "../base/dom.js";
import { secondsUntil, tick } from "../base/ticker.js";
import { Reachability } from "../protocol/reachability.js";

const PROBE = "/healthz";
const PATIENCE = 5000; // milliseconds

async function probe() {
  const response = await fetch(PROBE, { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(PATIENCE) });
  return response.ok;
}

export function goneBanner(app) {
  const reachability = new Reachability(app.recording, { probe });
  const when = h("span", {});
  const now = h("button", { type: "button", onclick: () => reachability.ask() }, "Try now");
  const banner = h("div", { class: "wb-banner wb-gone", role: "region", "aria-label": "Connection to the server", hidden: true });
  fill(banner, h("p", {}, h("strong", {}, "The server does not answer."), " What you see is its last state. ", when), now);
  const show = () => {
    const { isGone, until } = reachability;
    if (isGone === banner.hidden) announce(isGone ? "The server does not answer" : "The server answers again", { now: isGone });
    banner.hidden = !isGone;
    now.disabled = until === null;
    showTime();
  };
  const showTime = () => {
    const text = reachability.until === null ? "Trying…" : `Trying again in ${secondsUntil(reachability.until)} s.`;
    if (when.textContent !== text) when.textContent = text;
  };
  reachability.addEventListener("change", show);
  tick(banner, () => banner.hidden || showTime());
  return banner;
}
