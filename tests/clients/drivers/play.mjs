// What every driver for Node.js uses; play.py says how drivers and the run speak with each other.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const { ENDPOINT: URL_, TOKEN, PACKAGES, CLIENT } = process.env;
export const MODE = process.argv[2];
export const MODERN = '2026-07-28';
export const CALLBACK = 'http://127.0.0.1:33418/callback';
const WAIT = 30, SURVIVAL_WAIT = 40;
const LONG = { duration: 3, steps: 6 };

// Packages lie in the client's environment, not beside the driver.
const require = createRequire(join(PACKAGES, 'driver.mjs'));
export const load = (name) => import(require.resolve(name));

const say = (message) => process.stdout.write(`\n@@client ${JSON.stringify(message)}\n`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
let turn = Promise.resolve();

export function ask(what, details = {}) {
  const answer = turn.then(async () => {
    say({ ask: what, ...details });
    const answer = JSON.parse((await lines.next()).value);
    if (answer.error) throw new Error(`${what}: ${answer.error}`);
    return answer;
  });
  turn = answer.catch(() => {});
  return answer;
}

export const signIn = async (url, visit = false) => {
  const { back } = await ask('sign in', { url: String(url), visit });
  return new URL(back).searchParams;
};
export const revision = (name) => say({ revision: String(name) });
export const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

const late = (seconds) => sleep(seconds).then(() => { throw new Error(`no answer within ${seconds} s`); });
const reason = (error) => `${error?.name ?? 'Error'}: ${String(error?.message ?? error).split('\n')[0]}`.slice(0, 200);

export async function check(name, work, seconds = WAIT) {
  try {
    const found = await Promise.race([work(), late(seconds)]);
    say({ passed: name });
    return found ?? true;
  } catch (error) {
    console.error(error);
    say({ failed: name, reason: reason(error) });
    return undefined;
  }
}

export function expect(found, ...wanted) {
  const text = typeof found === 'string' ? found : JSON.stringify(found) ?? String(found);
  for (const word of wanted) if (!new RegExp(word).test(text)) throw new Error(`${word} is not in ${text.slice(0, 200)}`);
  return found;
}

export async function base(tools) {
  const call = (name, args, wanted) => async () => { expect(await tools.call(name, args), wanted); };
  await check('tools', async () => { expect(await tools.names(), 'echo', 'longRunningOperation'); });
  await check('echo', call('echo', { message: 'hello' }, 'Echo: hello'));
  await check('structured', call('get-structured-content', { location: 'Chicago' }, '82'));
  await check('image', call('getTinyImage', {}, 'iVBORw0KGgo'));
  await check('long', call('longRunningOperation', LONG, 'completed'));
}

export const survives = (name, connect, trouble = {}) => check(name, async () => {
  const tools = await connect();
  await tools.call('echo', { message: 'connected' });
  const call = tools.call('longRunningOperation', LONG);
  call.catch(() => {});
  await ask('trouble', { name, during: 'longRunningOperation', ...trouble });
  expect(await call, 'completed');
  Promise.resolve(tools.close()).catch(() => {});
}, SURVIVAL_WAIT);

export const comesBack = (connect) => check('idle', async () => {
  const tools = await connect();
  await tools.call('echo', { message: 'before' });
  await ask('trouble', { name: 'idle' });
  expect(await tools.call('echo', { message: 'after' }), 'Echo: after');
  Promise.resolve(tools.close()).catch(() => {});
}, SURVIVAL_WAIT);

export async function common(connect, more = async () => {}) {
  const tools = await check('connect', connect, SURVIVAL_WAIT);
  if (!tools) return;
  await base(tools);
  await more(tools);
  await Promise.race([Promise.resolve(tools.close()).catch(() => {}), sleep(5)]);
  await survives('cut', connect);
  await survives('kill', connect);
  await comesBack(connect);
}

export async function run(main) {
  process.on('unhandledRejection', (error) => console.error(error));
  try {
    await main();
  } catch (error) {
    console.error(error);
    say({ failed: 'connect', reason: reason(error) });
  }
  say({ end: true });
  process.exit(0);
}

// An OAuth client as each of the libraries wants it; what is stored lasts as long as the driver.
export function provider() {
  const kept = {};
  return {
    redirectUrl: CALLBACK,
    clientMetadata: { client_name: 'A client', redirect_uris: [CALLBACK], token_endpoint_auth_method: 'none' },
    state: () => 'a-state-that-nobody-guesses',
    saveState: () => {},
    storedState: () => 'a-state-that-nobody-guesses',
    clientInformation: () => kept.client,
    saveClientInformation: (client) => { kept.client = client; },
    tokens: () => kept.tokens,
    saveTokens: (tokens) => { kept.tokens = tokens; },
    saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
    codeVerifier: () => kept.verifier,
    redirectToAuthorization(url) { this.url = url; },
    saveDiscoveryState: (state) => { kept.discovery = state; },
    discoveryState: () => kept.discovery,
  };
}
