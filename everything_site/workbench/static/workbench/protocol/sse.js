/** Event streams (HTML, "Server-sent events"), read from the body of a `fetch`, which can send headers and POST. */

/** A parser that is fed text as it arrives, in pieces of any length. */
export class Parser {
  #rest = "";
  #fields = {};

  /**
   * @param {string} text
   * @returns {Array<{id?: string, event?: string, data?: string, retry?: number, comment?: string}>} What has become
   *   complete: events, and comments on their own. An event without `data` only sets the position to resume from.
   */
  push(text) {
    this.#rest += text;
    const complete = [];
    for (;;) {
      const end = this.#rest.search(/[\r\n]/);
      if (end < 0) break;
      if (this.#rest[end] === "\r" && end + 1 === this.#rest.length) break; // the "\n" may still come
      const line = this.#rest.slice(0, end).replace(/^\ufeff/, "");
      this.#rest = this.#rest.slice(end + (this.#rest.startsWith("\r\n", end) ? 2 : 1));
      this.#line(line, complete);
    }
    return complete;
  }

  #line(line, complete) {
    if (line === "") {
      if (Object.keys(this.#fields).length) complete.push(this.#fields);
      this.#fields = {};
      return;
    }
    if (line.startsWith(":")) {
      complete.push({ comment: line.slice(1).replace(/^ /, "") });
      return;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#fields.data = "data" in this.#fields ? `${this.#fields.data}\n${value}` : value;
    else if (name === "event") this.#fields.event = value;
    else if (name === "id" && !value.includes("\0")) this.#fields.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.#fields.retry = Number(value);
  }
}

/**
 * The events and comments of a body, as `Parser.push` returns them.
 *
 * @param {ReadableStream<Uint8Array>} body
 */
export async function* readEvents(body) {
  const parser = new Parser();
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    reader.cancel().catch(() => {}); // a connection that has failed has nothing left to cancel
  }
}
