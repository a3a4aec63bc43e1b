// A program that uses a TypeScript SDK as its documentation says, for a person at the other end of our streams.
// Standard input: a line {sdk, modern, refreshes, url, callback, calls: [[tool, arguments], …]}; then, each time somebody was sent
// to the authorization server, a line with the parameters that they came back with.
// Standard output: lines {go: URL}, {result: text} or {error: text}.
import { createInterface } from 'node:readline';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const read = async () => JSON.parse((await lines.next()).value);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function v1(name) {
  const parts = ['client/index.js', 'client/streamableHttp.js', 'client/auth.js'];
  return Object.assign({}, ...(await Promise.all(parts.map((part) => import(`${name}/${part}`)))));
}
const SDKS = {
  'client-2': () => import('@modelcontextprotocol/client'),
  'sdk-1': () => v1('sdk-1'),
  'sdk-1-25': () => v1('sdk-1-25'),
};

const asked = await read();
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = await SDKS[asked.sdk]();

const kept = {};
const person = {
  redirectUrl: asked.callback,
  clientMetadata: {
    client_name: 'a test',
    redirect_uris: [asked.callback],
    application_type: 'native',
    grant_types: asked.refreshes ? ['authorization_code', 'refresh_token'] : ['authorization_code'],
    token_endpoint_auth_method: 'none',
  },
  state: () => 'of no use here',
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  redirectToAuthorization: (url) => say({ go: String(url) }),
};

// What the SDK's examples do: whoever is not authorized signs in, and what was asked is asked again.
async function authorized(transport, action) {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    const back = await read();
    await transport().finishAuth(back.code, back.iss);
    return action();
  }
}

let transport;
let client;
async function connect() {
  const options = asked.modern ? { versionNegotiation: { mode: 'auto' } } : {}; // else it speaks 2025-11-25
  client = new Client({ name: 'a test', version: '1' }, options);
  transport = new StreamableHTTPClientTransport(new URL(asked.url), { authProvider: person });
  await client.connect(transport);
}

try {
  await authorized(() => transport, connect);
  for (const [name, args] of asked.calls) {
    try {
      const result = await authorized(() => transport, () => client.callTool({ name, arguments: args }));
      say({ result: result.content[0].text });
    } catch (error) {
      say({ error: `${error.name}: ${error.message}` });
    }
  }
  await client.close();
} catch (error) {
  say({ error: `${error.name}: ${error.message}` });
}
process.exit(0);
