import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { SignIn } from "../../../everything_site/workbench/static/workbench/oauth/sign_in.js";
import { Recording } from "../../../everything_site/workbench/static/workbench/wire/recording.js";
import { Tokens } from "../../../everything_site/workbench/static/workbench/oauth/tokens.js";
import { json, serve } from "./server.mjs";

/** What `sessionStorage` and `localStorage` are to the modules. */
class Memory {
  #items = new Map();
  getItem = (key) => this.#items.get(key) ?? null;
  setItem = (key, value) => this.#items.set(key, value);
  removeItem = (key) => this.#items.delete(key);
}

const form = (request) => Object.fromEntries(new URLSearchParams(request.text));
const granted = { access_token: "access-1", refresh_token: "refresh-1", token_type: "Bearer", expires_in: 600, scope: "mcp" };

/** A server of both kinds. `changes` replace the handlers of paths. */
async function site(context, changes = {}) {
  const server = await serve(context);
  const { origin, url } = server;
  const handlers = {
    "/mcp": json({ error: "unauthorized" }, { status: 401, "WWW-Authenticate": `Bearer resource_metadata="${origin}/prm", scope="mcp"` }),
    "/prm": json({ resource: url, authorization_servers: [origin], scopes_supported: ["mcp"] }),
    "/.well-known/oauth-authorization-server": json({
      issuer: origin,
      authorization_endpoint: `${origin}/authorize`,
      token_endpoint: `${origin}/token`,
      registration_endpoint: `${origin}/register`,
      revocation_endpoint: `${origin}/revoke`,
      code_challenge_methods_supported: ["S256"],
      authorization_response_iss_parameter_supported: true,
    }),
    "/register": json({ client_id: "client-1", registration_client_uri: `${origin}/register/client-1`, registration_access_token: "manages" }, { status: 201 }),
    "/register/client-1": json({ client_id: "client-1" }),
    "/token": json(granted),
    "/revoke": json({}),
    ...changes,
  };
  server.handlers.push(...Array.from({ length: 40 }, () => (request, response) => handlers[request.url](request, response)));
  return { ...server, iss: origin };
}

function flow({ url, origin, iss }, options = {}) {
  const clients = options.clients ?? new Memory();
  const opened = [];
  const consent = async (address, state) => {
    opened.push(new URL(address));
    return `?code=the-code&state=${state}&iss=${encodeURIComponent(iss)}`;
  };
  const signIn = new SignIn({ url, origin, redirectUri: `${origin}/try/callback`, recording: new Recording(), pending: options.pending ?? new Memory(), clients, consent, ...options });
  return { signIn, opened, clients };
}

test("seven steps lead from a challenge to tokens, each an exchange in the recording", async (context) => {
  const server = await site(context);
  const { signIn, opened } = flow(server);
  const tokens = await signIn.run();
  assert.deepEqual([tokens.access_token, tokens.client_id], ["access-1", "client-1"]);
  assert.deepEqual(signIn.steps.map(({ state }) => state), Array(7).fill("done"));
  assert.deepEqual(
    signIn.recording.exchanges.map(({ request, lane }) => [lane, request.path.split("?")[0].replace(server.origin, "")]),
    ["/mcp", "/prm", "/.well-known/oauth-authorization-server", "/register", "/authorize", "/token"].map((path) => ["Sign-in", path]),
  );
  const asked = Object.fromEntries(opened[0].searchParams);
  const sent = form(server.requests.find(({ url }) => url === "/token"));
  assert.equal(asked.code_challenge, createHash("sha256").update(sent.code_verifier).digest("base64url"));
  assert.deepEqual([asked.resource, asked.scope, sent.resource, sent.code], [server.url, "mcp", server.url, "the-code"]);
});

test("a step at a time gives the same", async (context) => {
  const { signIn } = flow(await site(context));
  const done = [];
  while (signIn.next) done.push((await signIn.step()).id);
  assert.deepEqual(done, ["challenge", "resource", "server", "registration", "pkce", "consent", "token"]);
});

test("a client that is known is not registered again, and one that the server has forgotten is", async (context) => {
  const server = await site(context);
  const { signIn, clients } = flow(server);
  await signIn.run();
  await flow(server, { clients }).signIn.run();
  const registrations = () => server.requests.filter(({ method, url }) => method === "POST" && url === "/register").length;
  assert.equal(registrations(), 1);
  server.handlers.length = 0;
  const forgetful = await site(context, { "/register/client-1": json({ error: "invalid_token" }, { status: 401 }) });
  clients.setItem("es-clients", clients.getItem("es-clients").replaceAll(server.origin, forgetful.origin));
  await flow(forgetful, { clients }).signIn.run();
  assert.equal(forgetful.requests.filter(({ method, url }) => method === "POST" && url === "/register").length, 1);
});

const REJECTED = {
  "a document about another resource": [{ "/prm": json({ resource: "https://other.example/mcp", authorization_servers: ["x"] }) }, "resource", /RFC 9728/],
  "a server that calls itself otherwise": [{ "/.well-known/oauth-authorization-server": json({ issuer: "https://other.example" }) }, "server", /RFC 8414/],
  "an endpoint that asks for no token": [{ "/mcp": json({}) }, "challenge", /not 401/],
};
for (const [what, [changes, step, message]] of Object.entries(REJECTED)) {
  test(`${what} ends the sign-in at its step`, async (context) => {
    const { signIn } = flow(await site(context, changes));
    await assert.rejects(signIn.run(), { name: "SignInError", step, message });
    assert.equal(signIn.next.state, "failed");
  });
}

const ANSWERS = {
  "another issuer": [(state) => `?code=c&state=${state}&iss=https://evil.example`, /RFC 9207/],
  "no issuer, though the server always sends one": [(state) => `?code=c&state=${state}`, /RFC 9207/],
  "another state": [() => "?code=c&state=other", /RFC 6749/],
};
for (const [what, [query, message]] of Object.entries(ANSWERS)) {
  test(`a redirect with ${what} is refused, and no code is spent`, async (context) => {
    const server = await site(context);
    const { signIn } = flow(server, { consent: async (_, state) => query(state) });
    await assert.rejects(signIn.run(), { name: "SignInError", step: "consent", message });
    assert.ok(!server.requests.some(({ url }) => url === "/token"));
  });
}

test("after a redirect of the page itself, the sign-in goes on where it was", async (context) => {
  const server = await site(context);
  const pending = new Memory();
  let query;
  const leaves = flow(server, { pending, consent: (_, state) => new Promise(() => (query = `?code=c&state=${state}&iss=${encodeURIComponent(server.iss)}`)) });
  leaves.signIn.mode = "r.";
  leaves.signIn.run();
  while (!query) await new Promise((resolve) => setTimeout(resolve, 5));
  const later = flow(server, { pending });
  assert.equal((await later.signIn.resume(query)).access_token, "access-1");
});

test("several callers share one refresh, and a refused one signs out", async (context) => {
  const answers = [json({ ...granted, access_token: "access-2" }), json({ error: "invalid_grant" }, { status: 400 })];
  const server = await site(context, { "/token": (...args) => answers.shift()(...args) });
  const tokens = new Tokens({ recording: new Recording(), storage: new Memory(), resource: server.url, origin: server.origin });
  tokens.set({ ...granted, client_id: "client-1", token_endpoint: `${server.origin}/token`, revocation_endpoint: `${server.origin}/revoke` });
  assert.deepEqual(await Promise.all([tokens.refresh(), tokens.refresh()]), [true, true]);
  assert.equal(tokens.access, "access-2");
  assert.equal(server.requests.length, 1);
  assert.equal(await tokens.refresh(), false);
  assert.equal(tokens.current, null);
});

test("a tab with the same tokens learns of a refresh, and does not spend the refresh token again", async (context) => {
  const server = await site(context, { "/token": json({ ...granted, access_token: "access-2", refresh_token: "refresh-2" }) });
  const tab = () => new Tokens({ recording: new Recording(), storage: new Memory(), resource: server.url, origin: server.origin });
  const [one, duplicate, stranger] = [tab(), tab(), tab()];
  for (const tokens of [one, duplicate]) tokens.set({ ...granted, client_id: "client-1", token_endpoint: `${server.origin}/token` });
  stranger.set({ ...granted, access_token: "own", refresh_token: "own", client_id: "client-2", token_endpoint: `${server.origin}/token` });
  const told = new Promise((resolve) => duplicate.addEventListener("change", resolve, { once: true }));
  await one.refresh();
  await told;
  assert.deepEqual([duplicate.access, stranger.access], ["access-2", "own"]);
});

test("signing out revokes the refresh token", async (context) => {
  const server = await site(context);
  const tokens = new Tokens({ recording: new Recording(), storage: new Memory(), resource: server.url, origin: server.origin });
  tokens.set({ ...granted, client_id: "client-1", token_endpoint: `${server.origin}/token`, revocation_endpoint: `${server.origin}/revoke` });
  await tokens.revoke();
  assert.deepEqual(form(server.requests[0]), { token: "refresh-1", client_id: "client-1" });
  assert.equal(tokens.current, null);
});

test("a browser is sent to no address of consent that is not one of the web", async (context) => {
  for (const endpoint of ["javascript:alert(1)//", "data:text/html,x", "no address"]) {
    const metadata = { code_challenge_methods_supported: ["S256"], authorization_endpoint: endpoint };
    const server = await site(context, {
      "/.well-known/oauth-authorization-server": (request, response) => json({ ...metadata, issuer: server.origin })(request, response),
    });
    const { signIn, opened } = flow(server);
    await assert.rejects(signIn.run(), /authorization_endpoint/);
    assert.deepEqual(opened, []);
  }
});
