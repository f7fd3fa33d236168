/** Files that the page makes and the person keeps. */

import { h } from "./dom.js";

const KEPT = 60_000; // milliseconds that the browser may take to begin

/** Download a blob under a name. */
export function save(name, blob) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT);
}
