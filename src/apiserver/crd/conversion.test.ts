import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createAuthority, issue } from '../pki/index.ts';
import { type Door, openDoor } from '../testkit/index.ts';
import { definition, definitions } from './testkit/index.ts';

const group = 'convert.example.com';
const at = (version: string) => `/apis/${group}/${version}/moved`;
const merge = { 'content-type': 'application/merge-patch+json' };

/** v1 says `spec.host` and `spec.port`, v2 `spec.address`. */
function convert(object: any, apiVersion: string): any {
  const { host, port, address } = object.spec;
  const [newHost, newPort] = (address ?? '').split(':');
  const spec = apiVersion.endsWith('/v2') ? { address: `${host}:${port}` } : { host: newHost, port: newPort };
  return { ...object, apiVersion, spec };
}

describe('conversion by a webhook', () => {
  let door: Door;
  let server: Server;
  let asked = 0;
  /** Spoils answers. */
  let spoil: (response: any, request: any) => void = () => {};
  before(async () => {
    door = await openDoor();
    const now = Date.now();
    const authority = createAuthority('conversion-testing', now);
    const pair = issue(authority, {
      commonName: 'webhook',
      hosts: ['127.0.0.1'],
      uses: ['server'],
      notBefore: now - 3600_000,
      notAfter: now + 3600_000,
    });
    server = createServer({ cert: pair.certificate, key: pair.key }, async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const { request: review } = JSON.parse(Buffer.concat(parts).toString());
      asked++;
      const answer: any = {
        kind: 'ConversionReview',
        apiVersion: 'apiextensions.k8s.io/v1',
        response: {
          uid: review.uid,
          result: { status: 'Success' },
          convertedObjects: review.objects.map((one: any) => convert(one, review.desiredAPIVersion)),
        },
      };
      spoil(answer.response, review);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(answer));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const conversion = {
      strategy: 'Webhook',
      webhook: {
        conversionReviewVersions: ['v1'],
        clientConfig: {
          url: `https://127.0.0.1:${port}/convert`,
          caBundle: Buffer.from(authority.certificate).toString('base64'),
        },
      },
    };
    const text = { type: 'string' };
    const versionOf = (name: string, properties: object) => ({
      name,
      schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties } } } },
      selectableFields: name === 'v2' ? [{ jsonPath: '.spec.address' }] : undefined,
    });
    const versions = [versionOf('v1', { host: text, port: text }), versionOf('v2', { address: text })];
    const wanted = { group, plural: 'moved', kind: 'Moved', scope: 'Cluster' as const, versions, conversion };
    const made = await door.ask('POST', definitions, { body: definition(wanted) });
    assert.equal(made.status, 201, made.text);
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await door[Symbol.asyncDispose]();
  });

  test('what is stored in one version is read, listed, selected and written in the other', async () => {
    const body = { metadata: { name: 'a', labels: { x: 'y' } }, spec: { host: 'h', port: '1' } };
    const made = await door.ask('POST', at('v1'), { body });
    assert.equal(made.status, 201, made.text);
    const seen = (await door.ask('GET', `${at('v2')}/a`)).body;
    assert.deepEqual([seen.apiVersion, seen.spec], [`${group}/v2`, { address: 'h:1' }]);
    assert.equal(seen.metadata.uid, made.body.metadata.uid);
    const before = asked;
    assert.deepEqual((await door.ask('GET', at('v2'))).body.items[0].spec, { address: 'h:1' });
    assert.equal(asked, before, 'what was converted once is kept');
    const second = await door.ask('POST', at('v2'), { body: { metadata: { name: 'b' }, spec: { address: 'g:2' } } });
    assert.deepEqual(second.body.spec, { address: 'g:2' }, second.text);
    assert.deepEqual((await door.ask('GET', `${at('v1')}/b`)).body.spec, { host: 'g', port: '2' });
    const chosen = await door.ask('GET', `${at('v2')}?fieldSelector=spec.address%3Dg:2`);
    assert.deepEqual(
      chosen.body.items.map((one: any) => one.metadata.name),
      ['b'],
    );
    const changed = await door.ask('PATCH', `${at('v2')}/a`, { body: { spec: { address: 'h:9' } }, headers: merge });
    assert.deepEqual(changed.body.spec, { address: 'h:9' }, changed.text);
    assert.deepEqual((await door.ask('GET', `${at('v1')}/a`)).body.spec, { host: 'h', port: '9' });
  });

  test('a watch shows what there was, what comes and what goes in its own version, in order', async () => {
    await door.ask('POST', at('v1'), { body: { metadata: { name: 'w' }, spec: { host: 'w', port: '0' } } });
    const watch = await door.watch(`${at('v2')}?watch=1&fieldSelector=metadata.name%3Dw`);
    const addresses = ['w:0'];
    assert.equal((await watch.next())?.object.spec.address, 'w:0');
    for (let i = 1; i < 6; i++) {
      await door.ask('PATCH', `${at('v1')}/w`, { body: { spec: { port: String(i) } }, headers: merge });
      addresses.push(`w:${i}`);
    }
    await door.ask('DELETE', `${at('v1')}/w`);
    const seen = ['w:0'];
    for (let type = ''; type !== 'DELETED'; ) {
      const event = await watch.next();
      type = event!.type;
      if (type === 'MODIFIED') seen.push(event!.object.spec.address);
      assert.equal(event!.object.apiVersion, `${group}/v2`);
    }
    assert.deepEqual(seen, addresses);
    watch.close();
  });

  test('a webhook that fails, or answers what cannot be, fails the request in words that name it', async () => {
    await door.ask('POST', at('v1'), { body: { metadata: { name: 'f' }, spec: { host: 'f', port: '0' } } });
    const told = async (how: typeof spoil) => {
      spoil = how;
      const answer = await door.ask('GET', `${at('v2')}/f`);
      spoil = () => {};
      assert.equal(answer.status, 500, answer.text);
      return answer.body.message as string;
    };
    const start = `conversion webhook for ${group}/v1, Kind=Moved`;
    assert.equal(
      await told((response) => (response.result = { status: 'Failure', message: 'no way' })),
      `${start} failed: no way`,
    );
    assert.equal(await told((response) => (response.convertedObjects = [])), `${start} returned 0 objects, expected 1`);
    assert.match(
      await told((response) => (response.convertedObjects[0].metadata.name = 'else')),
      /must have the same name: f != else/,
    );
    assert.match(await told((response) => (response.uid = 'x')), /expected response.uid=/);
    assert.match(
      await told((response) => (response.convertedObjects[0].apiVersion = 'a/v1')),
      /invalid groupVersion \(expected convert.example.com\/v2, received a\/v1\)/,
    );
    assert.equal((await door.ask('GET', `${at('v2')}/f`)).status, 200);
  });
});
