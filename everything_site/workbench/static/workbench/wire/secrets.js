/**
 * Finds the secrets of a recording and replaces them wherever they appear: tokens, codes, verifiers, client
 * secrets, cookies. A secret is known by where it stands (a header, a field, a parameter); its value is then
 * replaced everywhere, also where it was echoed.
 */

const HEADERS = /^(authorization|proxy-authorization|cookie|set-cookie|x-csrftoken)$/i;
const FIELDS =
  "access_token|refresh_token|id_token|token|code|code_verifier|client_secret|client_assertion|registration_access_token|password|csrfmiddlewaretoken";
const IN_JSON = new RegExp(`"(${FIELDS})"\\s*:\\s*"((?:[^"\\\\]|\\\\.)+)"`, "g");
const IN_ESCAPED_JSON = new RegExp(`\\\\"(${FIELDS})\\\\"\\s*:\\s*\\\\"([^"\\\\]+)\\\\"`, "g");
const IN_FORM = new RegExp(`(?:^|[?&#\\s])(${FIELDS})=([^&\\s#"]+)`, "g");
/** Credentials, but no parameter of a challenge (`Bearer resource_metadata="…"`), whose name looks like a token. */
const BEARER = /\b(?:Bearer|Basic|DPoP)\s+(?!(?:realm|scope|error|error_description|error_uri|resource_metadata|algs)=)([A-Za-z0-9\-._~+/]{8,}=*)/gi;
const MIN_LENGTH = 6;

export const MASKED = "•••";

/** A header's value as it may be shown: the scheme stays, the credentials go. */
export function maskedHeader(name, value) {
  if (!HEADERS.test(name)) return value;
  const [, scheme] = /^(Bearer|Basic|DPoP)\s/i.exec(value) ?? [];
  return scheme ? `${scheme} ${MASKED}` : MASKED;
}

export class SecretMask {
  #secrets = new Map();

  /**
   * @param recording What has `exchanges`, and is searched for secrets.
   * @param {string[]} more Further secrets, which stand in no place that tells.
   */
  constructor({ exchanges }, more = []) {
    for (const secret of more) this.#learn("secret", secret);
    for (const { request, response } of exchanges) {
      for (const [name, value] of [...request.headers, ...(response?.headers ?? [])]) this.#learnHeader(name, value);
      for (const text of [request.path, request.body, response?.body, ...(response?.events ?? []).map((event) => event.data)]) {
        this.#learnText(text);
      }
    }
  }

  /** A copy of a JSON value in which no secret is left. */
  apply(value) {
    if (typeof value === "string") return this.text(value);
    if (Array.isArray(value)) {
      const isHeader = value.length === 2 && typeof value[0] === "string" && typeof value[1] === "string";
      return isHeader ? [value[0], this.text(maskedHeader(value[0], value[1]))] : value.map((one) => this.apply(one));
    }
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, this.apply(one)]));
    }
    return value;
  }

  text(text) {
    let clean = text;
    for (const [secret, name] of this.#longestFirst()) clean = clean.replaceAll(secret, name);
    return clean;
  }

  #longestFirst() {
    return [...this.#secrets].sort(([one], [other]) => other.length - one.length);
  }

  #learn(name, secret) {
    if (!secret || secret.length < MIN_LENGTH || secret === MASKED) return;
    const mask = `[${name.toUpperCase().replaceAll("_", "-")}]`;
    for (const form of new Set([secret, encodeURIComponent(secret), decoded(secret)])) {
      if (!this.#secrets.has(form)) this.#secrets.set(form, mask);
    }
  }

  #learnHeader(name, value) {
    if (/cookie$/i.test(name)) {
      const parts = value.split(/;\s*/);
      for (const part of /^set-/i.test(name) ? parts.slice(0, 1) : parts) this.#learn("cookie", part.slice(part.indexOf("=") + 1));
    } else if (HEADERS.test(name)) {
      this.#learn("access-token", value.replace(/^\S+\s+/, ""));
    } else {
      this.#learnText(value);
    }
  }

  #learnText(text) {
    if (!text) return;
    for (const pattern of [IN_JSON, IN_ESCAPED_JSON, IN_FORM]) {
      for (const [, name, value] of text.matchAll(pattern)) this.#learn(name, value);
    }
    for (const [, value] of text.matchAll(BEARER)) this.#learn("access-token", value);
  }
}

function decoded(text) {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}
