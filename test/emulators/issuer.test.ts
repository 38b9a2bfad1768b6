import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { afterEach, expect, it } from 'vitest';
import { type Issuer, startIssuer } from './issuer.js';

const issuers: Issuer[] = [];
const start = async (issuer?: string) => {
  const started = await startIssuer({ issuer });
  issuers.push(started);
  return started;
};

afterEach(async () => {
  await Promise.all(issuers.splice(0).map((issuer) => issuer.close()));
});

it('signs tokens that its key set verifies', async () => {
  const issuer = await start('https://sts.windows.net/tenant/');
  const token = await issuer.sign({ aud: 'mongodb', sub: 'app' }, { lifeSeconds: 60 });
  const keys = createRemoteJWKSet(new URL(issuer.jwksUri));
  const { payload } = await jwtVerify(token, keys, {
    issuer: 'https://sts.windows.net/tenant/',
    audience: 'mongodb',
    subject: 'app',
  });
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(60);
  expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'RS256', typ: 'JWT', kid: expect.any(String) });
});

it('can be found by OpenID discovery when it has no other name', async () => {
  const issuer = await start();
  const response = await fetch(`${issuer.issuer}/.well-known/openid-configuration`);
  expect(await response.json()).toMatchObject({ issuer: issuer.issuer, jwks_uri: issuer.jwksUri });
});

it('has a key of its own', async () => {
  const [one, other] = [await start('https://same'), await start('https://same')];
  const token = await one.sign({}, { lifeSeconds: 60 });
  await expect(jwtVerify(token, createRemoteJWKSet(new URL(other.jwksUri)))).rejects.toThrow(
    'no applicable key found',
  );
});

it('makes out tokens that have expired, are not valid yet or have no end', async () => {
  const issuer = await start();
  const keys = createRemoteJWKSet(new URL(issuer.jwksUri));
  await expect(jwtVerify(await issuer.sign({}, { lifeSeconds: -1 }), keys)).rejects.toThrow('"exp"');
  const notBefore = Math.floor(Date.now() / 1000) + 60;
  await expect(jwtVerify(await issuer.sign({}, { lifeSeconds: 90, notBefore }), keys)).rejects.toThrow(
    '"nbf"',
  );
  const { payload } = await jwtVerify(await issuer.sign({}), keys);
  expect(payload).not.toHaveProperty('exp');
});

it('lets claims name another issuer', async () => {
  const issuer = await start('https://one');
  const token = await issuer.sign({ iss: 'https://other' });
  const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(issuer.jwksUri)));
  expect(payload.iss).toBe('https://other');
});
