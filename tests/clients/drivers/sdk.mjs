// The official TypeScript SDK: `@modelcontextprotocol/sdk`, and `@modelcontextprotocol/client` of its second line.

import { ask, check, CLIENT, common, expect, load, MODE, MODERN, provider, revision, run, signIn, sleep, survives, URL_ } from './play.mjs';

const IS_FIRST = CLIENT === 'ts-sdk-1';
const ROOT = 'file:///home/alice/project';
const RESOURCE = 'test://static/resource/1';
const SEPARATORS = 'a\u2028b\u2029c\u0085d\u000be\u000cf\u001cg\u001dh\u001ei';
const auth = { mcp: provider(), sse: provider() };

const filled = (schema) => Object.fromEntries(
  Object.entries(schema.properties)
    .filter(([name]) => schema.required?.includes(name))
    .map(([name, field]) => [name, field.default ?? (field.enum ?? field.oneOf?.map((one) => one.const))?.[0]
      ?? { boolean: true, integer: 1, number: 1 }[field.type] ?? 'Alice']),
);

const answers = {
  'sampling/createMessage': () => ({ role: 'assistant', model: 'played', content: { type: 'text', text: 'Paris' } }),
  'elicitation/create': ({ params }) => params.mode === 'url'
    ? { action: 'accept' }
    : { action: 'accept', content: filled(params.requestedSchema) },
  'roots/list': () => ({ roots: [{ uri: ROOT, name: 'project' }] }),
};

async function library() {
  if (!IS_FIRST) return load('@modelcontextprotocol/client');
  const [client, http, sse, oauth, types] = await Promise.all(
    ['client/index.js', 'client/streamableHttp.js', 'client/sse.js', 'client/auth.js', 'types.js']
      .map((name) => load(`@modelcontextprotocol/sdk/${name}`)),
  );
  return { ...client, ...http, ...sse, ...oauth, types };
}

// Connects, and signs in if the server wants it; so does a call that needs a further scope.
async function connect(which = 'mcp') {
  const sdk = await library();
  const authProvider = auth[which];
  const url = new URL(which === 'mcp' ? URL_ : URL_.replace(/mcp$/, 'sse'));
  const capabilities = { sampling: {}, elicitation: { form: {}, url: {} }, roots: {} };
  const Transport = which === 'mcp' ? sdk.StreamableHTTPClientTransport : sdk.SSEClientTransport;
  const make = () => {
    const mode = MODE === MODERN ? { versionNegotiation: { mode: 'auto' } } : {};
    const client = new sdk.Client({ name: 'typescript', version: '1.0.0' }, { capabilities, ...mode });
    client.heard = [];
    client.fallbackNotificationHandler = async (notification) => { client.heard.push(JSON.stringify(notification)); };
    const { types } = sdk;
    const schemas = types && {
      'sampling/createMessage': types.CreateMessageRequestSchema,
      'elicitation/create': types.ElicitRequestSchema,
      'roots/list': types.ListRootsRequestSchema,
    };
    for (const [method, answer] of Object.entries(answers)) client.setRequestHandler(schemas?.[method] ?? method, async (asked) => answer(asked));
    const listen = (name, schema) => client.setNotificationHandler(schema ?? name, async (heard) => { client.heard.push(JSON.stringify(heard)); });
    listen('notifications/message', types?.LoggingMessageNotificationSchema);
    listen('notifications/resources/updated', types?.ResourceUpdatedNotificationSchema);
    listen('notifications/tools/list_changed', types?.ToolListChangedNotificationSchema);
    const transport = new Transport(url, { authProvider });
    const negotiated = transport.setProtocolVersion?.bind(transport);
    transport.setProtocolVersion = (version) => { revision(version); negotiated?.(version); };
    return [client, transport];
  };
  const granted = async (transport) => {
    const back = await signIn(authProvider.url);
    await transport.finishAuth(back.get('code'), back.get('iss') ?? undefined);
  };
  let [client, transport] = make();
  try {
    await client.connect(transport);
  } catch (error) {
    if (!(error instanceof sdk.UnauthorizedError)) throw error;
    await granted(transport);
    [client, transport] = make();
    await client.connect(transport);
  }
  const call = async (name, args, options) => {
    const request = () => IS_FIRST
      ? client.callTool({ name, arguments: args }, undefined, options)
      : client.callTool({ name, arguments: args }, options);
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof sdk.UnauthorizedError)) throw error;
      await granted(transport);
      return request();
    }
  };
  return {
    client,
    call,
    names: async () => (await client.listTools()).tools.map((tool) => tool.name),
    close: () => client.close(),
  };
}

const hears = async (client, ...wanted) => {
  while (!client.heard.some((one) => wanted.every((word) => one.includes(word)))) await sleep(0.05);
};

async function full({ client, call }) {
  const tool = (name, args, wanted) => async () => { expect(await call(name, args), wanted); };
  await check('progress', async () => {
    const heard = [];
    await call('longRunningOperation', { duration: 0.4, steps: 4 }, { onprogress: ({ progress }) => heard.push(progress) });
    expect(heard, '^\\[1,2,3,4\\]$');
  });
  await check('sampling', tool('sampleLLM', { prompt: 'Capital of France?' }, 'Paris'));
  await check('elicitation', tool('elicitInputs', {}, 'accept'));
  await check('elicitation by URL', tool('trigger-url-elicitation', { url: 'https://example.com/' }, 'agreed'));
  await check('roots', tool('get-roots-list', {}, ROOT));
  await check('completion', async () => {
    const ref = { type: 'ref/prompt', name: 'complex_prompt' };
    expect(await client.complete({ ref, argument: { name: 'style', value: 'f' } }), 'formal');
  });
  await check('prompts', async () => { expect(await client.getPrompt({ name: 'simple_prompt' }), 'without arguments'); });
  await check('resources', async () => { expect(await client.readResource({ uri: RESOURCE }), 'Resource 1'); });
  await check('all pages', async () => {
    let found = [], cursor;
    do {
      const page = await client.listResources(cursor ? { cursor } : undefined);
      found = found.concat(page.resources);
      cursor = page.nextCursor;
    } while (cursor);
    if (found.length < 100) throw new Error(`${found.length} resources`);
  });
  if (MODE === MODERN) {
    await check('listen', async () => {
      const subscription = await client.listen({ toolsListChanged: true });
      await call('test_trigger_tool_change', {});
      await hears(client, 'tools/list_changed');
      await subscription.close();
    });
  } else {
    await check('logging', async () => {
      await client.setLoggingLevel('debug');
      await call('test_logging_tool', {});
      await hears(client, 'An error message');
    });
    await check('subscribe', async () => {
      await client.subscribeResource({ uri: RESOURCE });
      await hears(client, 'resources/updated', RESOURCE);
    });
  }
  await check('cancel', async () => {
    const controller = new AbortController();
    await new Promise((resolve, reject) => {
      call('longRunningOperation', { duration: 60, steps: 600 }, { signal: controller.signal, onprogress: resolve })
        .then(reject, () => {});
    });
    controller.abort();
    if (!(await ask('stopped', { word: 'longRunningOperation' })).done) throw new Error('the call goes on at the server');
  });
  await check('step-up', tool('describe-server', {}, 'everything-server'));
}

run(async () => {
  await common(connect, full);
  for (const seconds of [0.3, 1.5, 3, 5]) await survives(`outage ${seconds} s`, connect, { seconds });
  if (MODE !== MODERN) {
    await check('HTTP+SSE', async () => {
      const tools = await connect('sse');
      const { content: [{ text }] } = await tools.call('echo', { message: SEPARATORS });
      if (text !== `Echo: ${SEPARATORS}`) throw new Error(JSON.stringify(text));
    });
  }
});
