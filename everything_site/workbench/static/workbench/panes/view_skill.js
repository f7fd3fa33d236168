/** A skill: its entry, its instructions, and its folder (SEP-2640). */

import { fill, h } from "../base/dom.js";
import { errorLine, jsonDetails, viewHead } from "../base/parts.js";
import { titleOf } from "../protocol/catalog.js";
import { renderResource } from "../results/results.js";

export function skillView(app, skill) {
  const title = titleOf(skill);
  const outcome = h("div", { class: "wb-outcome" });
  const attempt = (work) => async () => {
    try {
      fill(outcome, await work());
    } catch (error) {
      fill(outcome, errorLine(error));
    }
  };
  const read = (uri) => attempt(async () => renderResource(await app.client.request("resources/read", { uri }), { read: (next) => read(next)() }));
  const directory = (uri) =>
    attempt(async () => {
      const { resources } = await app.client.request("resources/directory/read", { uri });
      const isFolder = ({ mimeType }) => mimeType === "inode/directory";
      const open = (child) => (isFolder(child) ? directory(child.uri) : read(child.uri));
      const label = (child) => `${child.uri.slice(uri.length + 1)}${isFolder(child) ? "/" : ""}`;
      return h("ul", { class: "wb-files", "aria-label": uri }, resources.map((child) => h("li", {}, h("button", { type: "button", class: "link", onclick: open(child) }, label(child)))));
    });
  const entry = attempt(async () => h("pre", { tabIndex: 0 }, JSON.stringify(await app.client.request("skills/get", { uri: skill.uri }), null, 2)));
  const folder = skill.uri.slice(0, skill.uri.lastIndexOf("/"));
  const node = h(
    "div",
    { class: "wb-view" },
    viewHead({ title, name: skill.uri, about: skill.description ?? skill.frontmatter?.description }),
    h(
      "div",
      { class: "wb-actions" },
      h("button", { type: "button", class: "main", onclick: read(skill.uri) }, "Read the instructions"),
      h("button", { type: "button", onclick: entry }, "Get the entry"),
      h("button", { type: "button", onclick: directory(folder) }, "List the folder"),
    ),
    outcome,
    jsonDetails("Skill as the server lists it", skill),
  );
  return { node, title, apply() {}, run: read(skill.uri) };
}
