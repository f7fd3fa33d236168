/** The window in which a person signs in and consents; where the browser blocks it, this page goes there itself. */

const FRAGMENT = "es-fragment";
const ANSWER = "es-callback";
const CLOSED = 1000; // milliseconds after which a window that was closed has sent nothing

let prepared = null;

/** Open the window, empty. To be called in a click, before anything is awaited, or browsers take it for an advertisement. */
export function prepareConsent(flow) {
  prepared = window.open("", "es-sign-in", "popup,width=560,height=760");
  flow.mode = prepared ? "w." : "r.";
}

/** Show the authorization URL, and wait for the query of the redirect. */
export function consent(url, state) {
  const opened = prepared;
  prepared = null;
  if (!opened) return redirect(url);
  opened.location = url;
  const canSeeIt = new URL(url).origin === location.origin; // another site may cut the link to its window
  return new Promise((resolve, reject) => {
    const channel = new BroadcastChannel("es-sign-in");
    let closedAt = null;
    const watch = setInterval(() => {
      if (!canSeeIt || !opened.closed) return;
      closedAt ??= Date.now();
      if (Date.now() - closedAt > CLOSED) finish(() => reject(new Error("The window was closed before you decided.")));
    }, 250);
    const finish = (settle) => {
      clearInterval(watch);
      channel.close();
      settle();
    };
    channel.addEventListener("message", ({ data }) => {
      if (data.type !== "redirected" || new URLSearchParams(data.search).get("state") !== state) return;
      channel.postMessage({ type: "received", search: data.search });
      finish(() => resolve(data.search));
    });
  });
}

function redirect(url) {
  sessionStorage.setItem(FRAGMENT, location.hash);
  location.assign(url);
  return new Promise(() => {}); // this page ends here
}

/** The query with which the redirect came back to this tab; null if it did not. Gives it once. */
export function returned() {
  const query = sessionStorage.getItem(ANSWER);
  sessionStorage.removeItem(ANSWER);
  return query;
}
