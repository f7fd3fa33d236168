/** Addresses that a server or an app wants a person to visit. It knows no DOM. */

/**
 * What to show of an address, and whether a browser may be sent there.
 *
 * @param {string} text
 * @returns {{host: string, isWeb: boolean, warnings: string[]}} `isWeb` for http and https.
 */
export function target(text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    return { host: "", isWeb: false, warnings: ["This is not an address."] };
  }
  const isWeb = ["https:", "http:"].includes(url.protocol);
  const isPrivate = url.protocol === "https:" || ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  const warnings = [
    isWeb ? "" : "This is not a web address, so it can’t be opened here.",
    isWeb && !isPrivate ? "This page is not encrypted." : "",
    url.username || url.password ? "The address contains a user name, which can make it look like another site." : "",
    /(^|\.)xn--/.test(url.hostname) ? "The host has letters beyond ASCII, which can look like others." : "",
  ];
  return { host: url.host || url.protocol, isWeb, warnings: warnings.filter(Boolean) };
}
