/** The pane of the machine room: open while a person wants to see it, and while there is a connection to spare. */

import { h } from "../base/dom.js";
import "./room.js";

const OPEN = "es-room";
const AGAIN = 5000; // milliseconds until it asks for a place again that it has given up

/** @param {Object} app */
export function roomPane(app) {
  const room = document.createElement("es-room");
  room.relay = app.processes;
  const details = h("details", { class: "wb-room-details", open: localStorage.getItem(OPEN) !== "closed" }, h("summary", {}, h("h2", {}, "Machine room")), room);
  const pane = h("aside", { class: "wb-room", id: "room", "aria-label": "Machine room" }, details);
  let place = null; // what gives the place back; a promise while it is being taken
  let waits = null;

  const show = async () => {
    const wanted = details.open && app.isConnected && !document.hidden && pane.getClientRects().length > 0;
    if (!wanted) return leave();
    if (place) return;
    waits = new AbortController();
    place = app.budget.acquire({ listens: true, signal: waits.signal });
    try {
      const release = await place;
      place = release;
      room.paused = false;
      room.feed = { url: "/try/room", token: () => app.tokens.access };
    } catch {
      place = null; // it is not wanted any more
    }
  };
  const leave = () => {
    waits?.abort();
    room.paused = true;
    if (typeof place === "function") place();
    place = null;
  };
  details.addEventListener("toggle", () => {
    localStorage.setItem(OPEN, details.open ? "open" : "closed");
    show();
  });
  document.addEventListener("visibilitychange", show);
  app.addEventListener("change", show);
  app.budget.addEventListener("pressure", () => {
    if (typeof place !== "function") return;
    leave();
    setTimeout(show, AGAIN);
  });
  return { pane, show };
}
