/** The error -32042 of 2025-11-25: the server wants pages visited before the call is repeated. */

export const ELICITATION_REQUIRED = -32042;

/** Ask for each page that the error names, in the dock of questions. */
export async function elicitAll(app, call, error) {
  for (const elicitation of error.data?.elicitations ?? []) {
    const id = `${call.id}/${elicitation.elicitationId ?? elicitation.url}`;
    try {
      await app.client.ask({ id, method: "elicitation/create", params: { mode: "url", ...elicitation } }, { call: null, exchange: call.exchange, asker: call.params?.name });
    } catch (problem) {
      if (problem.name !== "Withdrawn") return; // declined: the call can still be run again by hand
    }
  }
}
