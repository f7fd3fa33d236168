/** The sequence diagram of what the wire shows, in a dialog, and as a file. */

import { h } from "../base/dom.js";
import { save } from "../base/files.js";
import "./diagram.js";
import { png, svgText } from "./diagram_image.js";

const NAME = "everything-server";

/**
 * @param {Object} recording
 * @param {{show: (id: number) => void}} how `show` brings an exchange into view, when its arrow is chosen.
 */
export function diagramDialog(recording, { show }) {
  const diagram = document.createElement("es-diagram");
  diagram.recording = recording;
  const said = h("p", { class: "w-diagram-said", role: "status" });
  const how = () => ({ background: getComputedStyle(dialog).backgroundColor });
  const saving = (extension, blob) => async () => {
    try {
      save(`${NAME}.${extension}`, await blob());
      said.textContent = "Saved.";
    } catch (error) {
      said.textContent = error.message;
    }
  };
  const button = (label, onclick) => h("button", { type: "button", class: "w-tool", onclick }, label);
  const dialog = h(
    "dialog",
    { class: "w-diagram", "aria-label": "Sequence diagram" },
    h(
      "div",
      { class: "w-diagram-head" },
      h("h2", {}, "Sequence diagram"),
      said,
      button("Save as PNG", saving("png", () => png(diagram.svg, how()))),
      button("Save as SVG", saving("svg", () => new Blob([svgText(diagram.svg, how())], { type: "image/svg+xml" }))),
      button("Close", () => dialog.close()),
    ),
    h("div", { class: "w-diagram-body", tabIndex: 0, role: "group", "aria-label": "Diagram" }, diagram),
  );
  diagram.addEventListener("select", ({ detail }) => (dialog.close(), show(detail)));
  dialog.addEventListener("close", () => {
    diagram.recording = null;
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
}
