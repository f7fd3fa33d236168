/** What the steps of scenes do in the page, as a person would: by what `prepare` calls it. */

import { echo } from "../questions/answers.js";
import { OtherPerson } from "./other_person.js";

/**
 * @param {Object} app
 * @param {Object} page
 * @param {(place: Object) => void} page.show Show a place, with its arguments in the form.
 * @param {() => void} page.run Run what is shown.
 * @param {Object} page.dock The questions.
 * @returns {Object<string, (argument: any) => any>}
 */
export function sceneActions(app, { show, run, dock }) {
  const calls = (place) => app.history.get(`${place.kind}/${place.name}`) ?? [];
  let place = null;
  const call = () => {
    const [latest] = calls(place);
    if (!latest) throw new Error("There is no call.");
    return latest;
  };
  const elsewhere = async (name) => {
    await app.processes.refresh();
    return app.processes.alive.find((one) => one.name !== name)?.name ?? null;
  };
  const go = async (there) => {
    if (!app.isConnected) throw new Error("Connect first.");
    place = there;
    if (app.client.revision !== there.revision) await app.connect(there.revision);
    show(there);
  };
  const other = new OtherPerson(app);
  const note = () => {
    const link = call().result?.content.find(({ type }) => type === "resource_link");
    if (!link) throw new Error("There is no note.");
    return { uri: link.uri };
  };
  return {
    go,
    open(there) {
      for (const earlier of calls(there)) earlier.cancel("The scene begins again");
      return go(there);
    },
    run,
    kill: () => app.kill(call().servedBy, call()),
    cut: () => call().cut(),
    resume: async () => call().resume({ process: app.processes.isAvailable ? await elsewhere(call().servedBy) : null }),
    answer: async () => {
      const process = await elsewhere(call().servedBy);
      if (!dock.answerFirst(({ params }) => echo(params), { process })) throw new Error("No question is waiting for an answer.");
    },
    read: () => app.client.request("resources/read", note()),
    otherSignsIn: () => other.signIn(),
    otherReads: () => other.read(note()),
    otherLeaves: () => other.leave(),
    dropScopes: () => app.tokens.scopes.length > 1 && app.tokens.refresh({ scope: app.tokens.scopes[0] }),
  };
}
