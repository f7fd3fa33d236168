/** Controls that break the answer to a question on purpose. */

import { h } from "../base/dom.js";
import { control, menu, refill } from "../base/menu.js";

const PART_OF_NEXT = "In this revision, an answer is part of the next request.";
const NEVER = "No answer is sent. The server gives up by itself after a while, and tells the tool.";
const NO_NEXT = "No further request is sent. In this revision, nothing on the server waits for it.";

/** @returns {(question: Object, how: {ignore: (text: string) => void}) => Node[]} For `<es-questions>`. */
export function questionBreakIt(app) {
  return (question, { ignore }) => {
    const { delivery } = question;
    const items = h("div", {});
    const said = h("p", { class: "wb-note", role: "status" });
    const say = () => {
      const parts = [delivery.times > 1 && "twice", delivery.process && `to ${delivery.process}`].filter(Boolean);
      said.textContent = `Your answer will be sent ${parts.join(", ")}.`;
    };
    const asker = question.call?.servedBy ?? question.exchange?.servedBy;
    const elsewhere = () => app.processes.alive.find(({ name }) => name !== asker)?.name;
    const show = () => {
      const why = delivery ? "" : PART_OF_NEXT;
      const other = elsewhere();
      refill(
        items,
        control(`Answer at ${other ?? "another process"}`, () => (Object.assign(delivery, { process: other }), say()), {
          why: why || (app.processes.isAvailable ? (other ? "" : "No other process is up.") : app.processes.whyNot),
          note: asker && `The question came from ${asker}.`,
        }),
        control("Answer twice", () => (Object.assign(delivery, { times: 2 }), say()), { why, note: "The second answer matches no question." }),
        control("Never answer", () => ignore(delivery ? NEVER : NO_NEXT)),
      );
    };
    const opens = async () => {
      show();
      if (!app.hasRelay) return;
      await app.processes.refresh();
      show();
    };
    return [menu("Break it", items, { title: "Break the answer", opens }), said];
  };
}
