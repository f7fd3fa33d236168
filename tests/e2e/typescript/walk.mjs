// The official TypeScript client at one revision: every tool with good and with bad arguments, every resource.
//
//     TOKEN=… node walk.mjs PACKAGES URL REVISION < calls.json
//
// `calls.json` maps tools to arguments. What came of it all is printed as JSON, for the test to judge.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const [packages, url, revision] = process.argv.slice(2);
const MODERN = '2026-07-28';
const load = createRequire(join(packages, 'walk.mjs'));
const info = { name: 'typescript', version: '1.0.0' };
const capabilities = { sampling: { tools: {} }, elicitation: { form: {}, url: {} }, roots: {} };

function filled(schema) {
  const options = schema.enum ?? schema.oneOf?.map((one) => one.const);
  const formats = { email: 'a@example.com', uri: 'https://example.com/', date: '2000-01-01', 'date-time': '2000-01-01T00:00:00Z' };
  if ('default' in schema) return schema.default;
  if (options) return options[0];
  if (schema.type === 'boolean') return true;
  if (schema.type === 'array') return [(schema.items.enum ?? schema.items.anyOf.map((one) => one.const))[0]];
  if (schema.type === 'integer' || schema.type === 'number') return schema.minimum ?? 1;
  return formats[schema.format] ?? 'alice';
}

const answers = {
  'sampling/createMessage': ({ params }) => {
    const uses = params.tools?.length && params.messages.length === 1;
    const content = uses
      ? [{ type: 'tool_use', id: 'use-1', name: 'multiply', input: { a: 6, b: 7 } }]
      : { type: 'text', text: 'Paris' };
    return { role: 'assistant', model: 'played-model', stopReason: uses ? 'toolUse' : 'endTurn', content };
  },
  'elicitation/create': ({ params }) => {
    if (params.mode === 'url') return { action: 'accept' };
    const fields = Object.entries(params.requestedSchema.properties);
    return { action: 'accept', content: Object.fromEntries(fields.map(([name, field]) => [name, filled(field)])) };
  },
  'roots/list': () => ({ roots: [{ uri: 'file:///home/alice/project', name: 'project' }] }),
};

async function connect() {
  const requestInit = { headers: { Authorization: `Bearer ${process.env.TOKEN}` } };
  if (revision === MODERN) {
    // The package that speaks 2026-07-28.
    const { Client, StreamableHTTPClientTransport } = load('@modelcontextprotocol/client');
    const client = new Client(info, { capabilities, versionNegotiation: { mode: { pin: MODERN } } });
    for (const [method, answer] of Object.entries(answers)) client.setRequestHandler(method, async (asked) => answer(asked));
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
    return client;
  }
  const { Client } = load('@modelcontextprotocol/sdk/client/index.js');
  const { StreamableHTTPClientTransport } = load('@modelcontextprotocol/sdk/client/streamableHttp.js');
  const types = load('@modelcontextprotocol/sdk/types.js');
  const schemas = {
    'sampling/createMessage': types.CreateMessageRequestSchema,
    'elicitation/create': types.ElicitRequestSchema,
    'roots/list': types.ListRootsRequestSchema,
  };
  const client = new Client(info, { capabilities });
  for (const [method, answer] of Object.entries(answers)) client.setRequestHandler(schemas[method], async (asked) => answer(asked));
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit });
  // Its own `initialize` asks for the newest revision that it knows.
  const send = transport.send.bind(transport);
  transport.send = (message, options) => {
    if (message.method === 'initialize') message.params.protocolVersion = revision;
    return send(message, options);
  };
  const negotiated = transport.setProtocolVersion.bind(transport);
  transport.setProtocolVersion = (version) => {
    found.revision = version;
    negotiated(version);
  };
  await client.connect(transport);
  return client;
}

async function attempt(work) {
  try {
    const result = await work();
    const words = (result.content ?? []).filter((block) => block.type === 'text').map((block) => block.text);
    return { isError: result.isError === true, text: words.join('\n') };
  } catch (error) {
    return { error: String(error.message), code: error.code ?? null };
  }
}

async function all(list, key) {
  const items = [];
  let cursor;
  do {
    const page = await list(cursor === undefined ? undefined : { cursor });
    items.push(...page[key]);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return items;
}

const found = { revision, good: {}, bad: {}, resources: {} };
const calls = JSON.parse(await text(process.stdin));
const client = await connect();
const tools = await all((params) => client.listTools(params), 'tools');
await Promise.all(
  tools.map(async ({ name }) => {
    found.good[name] = await attempt(() => client.callTool({ name, arguments: calls[name] ?? {} }));
  }),
);
await Promise.all(
  tools.map(async ({ name, inputSchema }) => {
    const wrong = Object.fromEntries(Object.keys(inputSchema.properties ?? {}).map((key) => [key, { of: 'another kind' }]));
    if (Object.keys(wrong).length === 0) return;
    found.bad[name] = await attempt(() => client.callTool({ name, arguments: wrong }));
  }),
);
found.unknown = await attempt(() => client.callTool({ name: 'no-such-tool', arguments: {} }));
for (const { uri } of await all((params) => client.listResources(params), 'resources')) {
  const { contents } = await client.readResource({ uri });
  found.resources[uri] = contents.length === 1 && Boolean(contents[0].text ?? contents[0].blob);
}
found.after = await attempt(() => client.callTool({ name: 'echo', arguments: { message: 'still here' } }));
await client.close();
console.log(JSON.stringify(found));
