// An authorization server where people sign in: oidc-provider with its own login and consent pages, clients that register
// themselves (RFC 7591), PKCE, resource indicators (RFC 8707) and JWT access tokens (RFC 9068).
// Standard input stays open for as long as it is to run.  Standard output: one line of JSON, {issuer}.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

process.stdin.resume();
process.stdin.once('close', () => process.exit(0)); // whoever started us is gone

const server = createServer();
await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
const issuer = `http://127.0.0.1:${server.address().port}`;
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const scopes = ['mcp', 'notes:write', 'notes:delete'];
const roles = { bob: ['approver'], carol: ['approver'] }; // everybody else has none

const provider = new Provider(issuer, {
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'signs' }] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  scopes: ['openid', 'offline_access', ...scopes],
  // Of `openid` itself: by its default (conformIdTokenClaims) what belongs to other scopes is told at userinfo alone.
  claims: { openid: ['sub', 'roles'] },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, roles: roles[id] ?? [] }) }),
  cookies: { keys: ['of tests alone'] },
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'), // as many do, offline_access or not
  // A registration names the scopes of the first challenge; a client is to be able to ask for more later.
  extraClientMetadata: {
    properties: ['scope'],
    validator: (ctx, key, value, metadata) => { if (key === 'scope') delete metadata.scope; },
  },
  features: {
    devInteractions: { enabled: true },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => ({
        audience: resource, scope: scopes.join(' '), accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  ttl: { AccessToken: 3600, Grant: 3600, Session: 3600, Interaction: 600 },
});
server.on('request', provider.callback());
process.stdout.write(`${JSON.stringify({ issuer })}\n`);
