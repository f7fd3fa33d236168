/** Step-up: a tool needs more than the token allows, so the person is asked to sign in for more. */

import { fill, h } from "../base/dom.js";
import { prepareConsent } from "./consent.js";

/** @returns {(scopes: string[]) => Promise<boolean>} Asks, and resolves with whether there is a new token. */
export function moreAccess(app) {
  return (scopes) =>
    new Promise((resolve) => {
      const added = scopes.filter((scope) => !app().tokens.scopes.includes(scope));
      const problem = h("p", { class: "wb-error", hidden: true, role: "alert" });
      const allow = h("button", { type: "button", class: "main" }, "Sign in for more access");
      const dialog = h(
        "dialog",
        { "aria-labelledby": "wb-more-title" },
        h("h2", { id: "wb-more-title" }, "This needs more access"),
        h("p", {}, "The server answered 403: the token lacks ", (added.length ? added : scopes).map((scope, index) => [index ? ", " : "", h("code", {}, scope)]), ". You can ask for it; the call then continues."),
        problem,
        h("form", { method: "dialog", class: "wb-actions" }, allow, h("button", {}, "Not now")),
      );
      let isGranted = false;
      allow.addEventListener("click", async () => {
        const flow = app().newSignIn({ scopes: [...app().tokens.scopes, ...scopes] });
        prepareConsent(flow);
        allow.disabled = true;
        try {
          app().tokens.set(await flow.run());
          isGranted = true;
          dialog.close();
        } catch (error) {
          problem.hidden = false;
          fill(problem, error.message);
          allow.disabled = false;
        }
      });
      dialog.addEventListener("close", () => {
        dialog.remove();
        resolve(isGranted);
      });
      document.body.append(dialog);
      dialog.showModal();
    });
}
