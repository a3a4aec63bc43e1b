// A real OAuth server for the tests: oidc-provider with JWT access tokens (RFC 9068) and resource indicators (RFC 8707).
// Standard input: one line of JSON, {algorithm, clients: [{id, secret}], lifetime, issuer?, port?}.
// Standard output: one line of JSON, {issuer}, as soon as it listens.
// POST /admin/rotate?overlap=true|false makes a new signing key; a token signed after the answer is signed with it.
import { generateKeyPair, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import Provider from 'oidc-provider';

const generate = promisify(generateKeyPair);

const KINDS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
};

const options = await new Promise((resolve) => {
  const lines = createInterface({ input: process.stdin });
  lines.once('line', (line) => resolve(JSON.parse(line)));
  lines.once('close', () => process.exit(0)); // whoever started us is gone
});

async function newKey() {
  const { privateKey } = await generate(...KINDS[options.algorithm]);
  return { ...privateKey.export({ format: 'jwk' }), alg: options.algorithm, use: 'sig', kid: randomUUID() };
}

function makeProvider(issuer, keys) {
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: options.clients.map(({ id, secret }) => ({
      client_id: id,
      client_secret: secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    })),
    clientDefaults: { id_token_signed_response_alg: options.algorithm },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource) => ({
          audience: resource,
          // Whatever scope is asked for exists: what bearerd makes of it is what the tests are about.
          scope: ctx.oidc.params?.scope ?? '',
          accessTokenFormat: 'jwt',
          accessTokenTTL: Number(ctx.get('x-test-lifetime') || options.lifetime),
          jwt: { sign: { alg: options.algorithm } },
        }),
      },
    },
    ttl: { ClientCredentials: (ctx, token) => token.resourceServer?.accessTokenTTL ?? options.lifetime },
  });
  return provider.callback();
}

const server = createServer();
await new Promise((resolve) => { server.listen(options.port ?? 0, '127.0.0.1', resolve); });
const issuer = options.issuer ?? `http://127.0.0.1:${server.address().port}`;

let keys = [await newKey()];
let answer = makeProvider(issuer, keys);

// A provider's keys are fixed, so a rotation makes another provider; requests under way finish with the old one.
async function rotate(overlap) {
  const fresh = await newKey();
  keys = overlap ? [fresh, ...keys] : [fresh];
  answer = makeProvider(issuer, keys);
  return { kid: fresh.kid, kids: keys.map(({ kid }) => kid) };
}

server.on('request', async (request, response) => {
  const url = new URL(request.url, issuer);
  if (request.method === 'POST' && url.pathname === '/admin/rotate') {
    const told = await rotate(url.searchParams.get('overlap') !== 'false');
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(told));
    return;
  }
  answer(request, response);
});

process.stdout.write(`${JSON.stringify({ issuer })}\n`);
