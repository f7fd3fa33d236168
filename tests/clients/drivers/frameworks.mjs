// The frameworks for agents in TypeScript: each is connected as its users would, without a model.

import { CLIENT, check, common, load, provider, revision, run, signIn, TOKEN, URL_ } from './play.mjs';

const authProvider = provider();

// The sign-in before the connection, by the `auth()` that the library or its SDK brings.
async function authorized(auth) {
  if (authProvider.tokens() || (await auth(authProvider, { serverUrl: URL_ })) !== 'REDIRECT') return;
  const back = await signIn(authProvider.url);
  const [authorizationCode, state, iss] = ['code', 'state', 'iss'].map((name) => back.get(name) ?? undefined);
  await auth(authProvider, { serverUrl: URL_, authorizationCode, iss, callbackState: state, callbackIssuer: iss });
}

// The SDK that a framework stands on.
const sdkAuth = async () => (await load('@modelcontextprotocol/client')).auth;

const connectors = {
  async 'ai-sdk'() {
    const { auth, createMCPClient } = await load('@ai-sdk/mcp');
    await authorized(auth);
    const client = await createMCPClient({ transport: { type: 'http', url: URL_, authProvider } });
    revision(client.initializeResult.protocolVersion);
    return {
      names: async () => (await client.listTools()).tools.map((tool) => tool.name),
      call: (name, args) => client.callTool({ name, arguments: args }),
      resources: async () => (await client.listResources()).resources,
      close: () => client.close(),
    };
  },

  async 'langchain-js'() {
    const { MultiServerMCPClient } = await load('@langchain/mcp-adapters');
    const client = new MultiServerMCPClient({
      mcpServers: { everything: { transport: 'http', url: URL_, headers: { Authorization: `Bearer ${TOKEN}` } } },
    });
    const tools = await client.getTools();
    return {
      names: async () => tools.map((tool) => tool.name),
      call: (name, args) => tools.find((tool) => tool.name === name).invoke({ type: 'tool_call', id: '1', name, args }),
      resources: async () => (await client.listResources('everything')).everything,
      close: () => client.close(),
    };
  },

  async 'openai-agents-js'() {
    const { MCPServerStreamableHttp } = await load('@openai/agents');
    await authorized(await sdkAuth());
    const server = new MCPServerStreamableHttp({ url: URL_, name: 'everything', authProvider, clientSessionTimeoutSeconds: 60, timeout: 60000 });
    await server.connect();
    return {
      names: async () => (await server.listTools()).map((tool) => tool.name),
      call: (name, args) => server.callToolResult(name, args),
      resources: async () => (await server.listResources()).resources,
      close: () => server.close(),
    };
  },

  async mastra() {
    const { MCPClient } = await load('@mastra/mcp');
    await authorized(await sdkAuth());
    const client = new MCPClient({
      id: String(Math.random()), timeout: 60000, servers: { everything: { url: new URL(URL_), authProvider } },
    });
    const tools = await client.listTools();
    return {
      names: async () => Object.keys(tools),
      call: (name, args) => tools[`everything_${name}`].execute(args, {}),
      resources: async () => (await client.resources.list()).everything,
      close: () => client.disconnect(),
    };
  },
};

run(() => common(connectors[CLIENT], async ({ resources }) => {
  await check('all pages', async () => {
    const found = await resources();
    if (found.length < 100) throw new Error(`${found.length} resources, the first page only`);
  });
}));
