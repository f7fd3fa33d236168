// An official TypeScript client that knows an URL of HTTP+SSE and nothing else: it signs in and calls `echo`.
//
//     node sign_in.mjs PACKAGES URL PACKAGE REDIRECT_URI
//
// It prints the authorization URL, reads the URL that the browser is sent back to, and prints what `echo` says.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const [packages, url, name, redirectUrl] = process.argv.slice(2);
const load = createRequire(join(packages, 'sign_in.mjs'));
const isOld = name === '@modelcontextprotocol/sdk';
const { Client } = load(isOld ? `${name}/client/index.js` : name);
const { SSEClientTransport } = load(isOld ? `${name}/client/sse.js` : name);
const { UnauthorizedError } = load(isOld ? `${name}/client/auth.js` : name);

const kept = {};
const authProvider = {
  redirectUrl,
  clientMetadata: { client_name: 'TypeScript', redirect_uris: [redirectUrl], token_endpoint_auth_method: 'none' },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  redirectToAuthorization: (authorization) => console.log(authorization.href),
};

async function connect(transport) {
  const client = new Client({ name: 'typescript', version: '1.0.0' });
  await client.connect(transport);
  return client;
}

const first = new SSEClientTransport(new URL(url), { authProvider });
let client;
try {
  client = await connect(first);
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  const { value: back } = await createInterface({ input: process.stdin })[Symbol.asyncIterator]().next();
  const answer = new URL(back).searchParams;
  await first.finishAuth(answer.get('code'), ...(isOld ? [] : [answer.get('iss')]));
  client = await connect(new SSEClientTransport(new URL(url), { authProvider }));
}
const result = await client.callTool({ name: 'echo', arguments: { message: 'from TypeScript' } });
console.log(JSON.stringify(result.content));
await client.close();
process.exit(0);
