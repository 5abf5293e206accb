import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatReference, parseReference } from './reference.ts';
import { credentialsFor, parseDockerConfig } from './registry/credentials.ts';
import { parseChallenge } from './registry/token.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const full: [string, string][] = [
  ['nginx', 'docker.io/library/nginx:latest'],
  ['nginx:1.25', 'docker.io/library/nginx:1.25'],
  ['team/app', 'docker.io/team/app:latest'],
  ['index.docker.io/nginx', 'docker.io/library/nginx:latest'],
  ['localhost/app', 'localhost/app:latest'],
  ['localhost:5000/app:v1', 'localhost:5000/app:v1'],
  ['[::1]:5000/app', '[::1]:5000/app:latest'],
  ['ghcr.io/a/b/c', 'ghcr.io/a/b/c:latest'],
  [`app:v1@${digest}`, `docker.io/library/app@${digest}`],
];
for (const [text, expected] of full)
  test(`${text} is ${expected}`, () => assert.equal(formatReference(parseReference(text)), expected));

for (const text of [
  '',
  'UPPER',
  'a/Upper',
  'a:b:c',
  'a@sha256:1',
  'a//b',
  '-a',
  'a'.repeat(300),
  'a'.repeat(64),
  'host:99999999/a',
  'a:',
])
  test(`${JSON.stringify(text.slice(0, 20))} is no reference`, () =>
    assert.throws(() => parseReference(text), { reason: 'InvalidImageName' }));

test('credentials fit by host and path, the most specific first', () => {
  const auths = [
    'example.com',
    'https://example.com/team',
    '*.example.com',
    'other.com',
    'https://index.docker.io/v1/',
  ].map((server) => ({ server }));
  const fitting = (image: string) => credentialsFor(parseReference(image), auths).map((auth) => auth.server);
  assert.deepEqual(fitting('example.com/team/app'), ['https://example.com/team', 'example.com']);
  assert.deepEqual(fitting('example.com/teammate'), ['example.com']);
  assert.deepEqual(fitting('a.example.com/x'), ['*.example.com']);
  assert.deepEqual(fitting('a.b.example.com/x'), []);
  assert.deepEqual(fitting('nginx'), ['https://index.docker.io/v1/']);
});

test('docker configurations are read in both forms, and errors do not quote them', () => {
  const auth = Buffer.from('me:a:b').toString('base64');
  const expected = [{ server: 'r.io', username: 'me', password: 'a:b' }];
  assert.deepEqual(parseDockerConfig(JSON.stringify({ auths: { 'r.io': { auth } } })), expected);
  assert.deepEqual(parseDockerConfig(JSON.stringify({ 'r.io': { username: 'me', password: 'a:b' } })), expected);
  assert.throws(
    () => parseDockerConfig('secret'),
    (error: Error) => !error.message.includes('secret'),
  );
});

test('challenges are read', () => {
  assert.deepEqual(parseChallenge('Negotiate, Bearer realm="https://a/t?x=1,2",service="s"'), {
    scheme: 'bearer',
    parameters: { realm: 'https://a/t?x=1,2', service: 's' },
  });
  assert.equal(parseChallenge('Digest realm="x"'), undefined);
});
