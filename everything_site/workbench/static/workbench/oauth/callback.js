/** The redirect URI of the sign-in: hands code and state to the workbench, in another window or in this one. */

const ANSWER = "es-callback";
const PATIENCE = 3000; // milliseconds until nobody is taken to listen

const { search } = location;
history.replaceState(null, "", location.pathname); // the code is not left in the address

const status = document.getElementById("callback-status");
const isWindow = new URLSearchParams(search).get("state")?.startsWith("w.");

if (isWindow) {
  const channel = new BroadcastChannel("es-sign-in");
  channel.addEventListener("message", ({ data }) => {
    if (data.type !== "received" || data.search !== search) return;
    status.textContent = "Done. You can close this window.";
    window.close();
  });
  channel.postMessage({ type: "redirected", search });
  setTimeout(() => {
    status.textContent = "The tab that began this sign-in is gone. Open the workbench and sign in again.";
  }, PATIENCE);
} else {
  sessionStorage.setItem(ANSWER, search);
  location.replace(`/try${sessionStorage.getItem("es-fragment") ?? ""}`);
}
