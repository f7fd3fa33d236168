// Reads `{origin, recording}` from standard input; writes what the exports make of it.
import { readFileSync } from "node:fs";

import { curl, har, python } from "../../../everything_site/workbench/static/workbench/wire/exports.js";
import { Recording } from "../../../everything_site/workbench/static/workbench/wire/recording.js";

const { origin, recording: json } = JSON.parse(readFileSync(0, "utf8"));
const recording = Recording.fromJSON(json);
const made = recording.exchanges.map((exchange) => ({ curl: curl(exchange, { origin }), python: python(exchange, { origin }) }));
process.stdout.write(JSON.stringify({ made, har: har(recording, { origin }) }));
