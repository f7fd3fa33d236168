/** The revisions of the protocol, and what each of them has. */

export const REVISIONS = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
export const LATEST = "2026-07-28";
export const DEFAULT = "2025-11-25";

/** Whether requests stand alone: no session, no event ids, questions in results. */
export const isStateless = (revision) => revision >= "2026-07-28";
export const isHttpSse = (revision) => revision < "2025-03-26";
export const hasSession = (revision) => !isStateless(revision);
export const hasBatches = (revision) => revision === "2025-03-26";
export const hasVersionHeader = (revision) => revision >= "2025-06-18";
export const hasResumption = (revision) => !isStateless(revision) && !isHttpSse(revision);

/** Features by the revisions in which they exist: first and last. */
const FEATURES = {
  ping: ["2024-11-05", "2025-11-25"],
  "listen streams": ["2026-07-28"],
  tasks: ["2026-07-28"],
  elicitation: ["2025-06-18"],
};

/** Whether a revision has a feature. */
export function has(revision, feature) {
  const [first, last = LATEST] = FEATURES[feature];
  return first <= revision && revision <= last;
}

/** "since 2025-11-25" or "up to 2025-11-25", for a feature that the revision lacks. */
export function availability(feature) {
  const [first, last] = FEATURES[feature];
  return last ? `up to ${last}` : `since ${first}`;
}

/** What the workbench declares, by revision. */
export function clientCapabilities(revision) {
  const modern = revision >= "2025-11-25";
  return {
    sampling: modern ? { tools: {}, context: {} } : {},
    roots: isStateless(revision) ? {} : { listChanged: true },
    ...(has(revision, "elicitation") ? { elicitation: modern ? { form: {}, url: {} } : {} } : {}),
    extensions: {
      "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] },
      ...(has(revision, "tasks") ? { "io.modelcontextprotocol/tasks": {} } : {}),
    },
  };
}
