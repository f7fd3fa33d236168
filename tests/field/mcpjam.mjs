// Runs the conformance tests of @mcpjam/sdk and prints one JSON line for each check.
// Arguments: MCP endpoint, access token. For the OAuth flows it prints {"open": URL}; whoever reads the
// lines signs in there, as the browser of a person would.
import {
  MCPAppsConformanceTest,
  MCPConformanceTest,
  OAuthConformanceTest,
} from "@mcpjam/sdk";

const [serverUrl, accessToken] = process.argv.slice(2);
const say = (line) => console.log(JSON.stringify(line));
const report = (test, checks, name) => {
  for (const check of checks)
    say({ check: `${test}/${check[name]}`, status: check.status, detail: check.error?.message ?? "" });
};

report("protocol", (await new MCPConformanceTest({ serverUrl, accessToken }).run()).checks, "id");
report("apps", (await new MCPAppsConformanceTest({ url: serverUrl, accessToken, timeout: 20_000 }).run()).checks, "id");
// Two flows for each revision: the checks of the first reuse its code, which by RFC 6749 §4.1.2 ends its tokens.
for (const protocolVersion of ["2025-03-26", "2025-06-18", "2025-11-25"])
  for (const [title, options] of [
    ["probes", { oauthConformanceChecks: true }],
    ["token", { verification: { listTools: true, callTool: { name: "echo", params: { message: "hello" } } } }],
  ]) {
    const test = new OAuthConformanceTest({
      serverUrl,
      protocolVersion,
      registrationStrategy: "dcr",
      auth: { mode: "interactive", openUrl: async (url) => say({ open: url }) },
      ...options,
    });
    report(`oauth-${protocolVersion}/${title}`, (await test.run()).steps, "step");
  }
process.exit(0); // its HTTP connections would keep Node.js alive
