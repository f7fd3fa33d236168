/** The page of the workbench. */

import { fill, h } from "./dom.js";

fill(document.getElementById("workbench"), h("main", { id: "main" }, h("h1", {}, "Try this server in your browser")));
