import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { decodeProtobuf } from '../../api/index.ts';
import { configMap, type Door, openDoor } from '../testkit/index.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const protobuf = 'application/vnd.kubernetes.protobuf';
const partial = 'as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

describe('answers in protobuf', () => {
  let door: Door;
  before(async () => {
    door = await openDoor();
    for (let i = 0; i < 300; i++)
      await door.ask('POST', configMaps, { body: { ...configMap(`c${i}`), data: { key: `value ${i}` } } });
  });
  after(() => door[Symbol.asyncDispose]());

  const open = async (path: string, accept: string, method = 'GET'): Promise<IncomingMessage> => {
    const sent = request({ ...door.tls, method, path, headers: { accept } });
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return response;
  };
  const ask = async (path: string, accept: string, method = 'GET') => {
    const response = await open(path, accept, method);
    const parts: Buffer[] = [];
    for await (const part of response as AsyncIterable<Buffer>) parts.push(part);
    return { type: response.headers['content-type'], code: response.statusCode, bytes: Buffer.concat(parts) };
  };

  test('an object and a list say what JSON says', async () => {
    for (const path of [`${configMaps}/c7`, configMaps, `${configMaps}?limit=2`, '/api/v1/namespaces/default']) {
      const { type, bytes } = await ask(path, protobuf);
      assert.equal(type, protobuf);
      const { object } = decodeProtobuf(bytes) as { object: any };
      const plain = (await door.ask('GET', path)).body;
      assert.deepEqual([object.kind, object.metadata], [plain.kind, plain.metadata], path);
      assert.deepEqual(
        object.data ?? object.items?.map((one: any) => one.data),
        plain.data ?? plain.items?.map((one: any) => one.data),
      );
    }
  });

  test('a watch comes in frames, each with its length', async () => {
    const { resourceVersion } = (await door.ask('GET', `${configMaps}?limit=1`)).body.metadata;
    const response = await open(`${configMaps}?watch=1&resourceVersion=${resourceVersion}`, protobuf);
    assert.equal(response.headers['content-type'], `${protobuf};stream=watch`);
    await door.ask('POST', configMaps, { body: configMap('watched') });
    let bytes = Buffer.alloc(0);
    while (bytes.length < 4 || bytes.length < 4 + bytes.readUInt32BE(0)) {
      const [part] = (await once(response, 'data')) as [Buffer];
      bytes = Buffer.concat([bytes, part]);
    }
    response.destroy();
    const frame = bytes.subarray(4, 4 + bytes.readUInt32BE(0));
    assert.equal(frame.subarray(2, 7).toString(), 'ADDED');
    const at = frame.indexOf('k8s\0');
    const { object } = decodeProtobuf(frame.subarray(at)) as { object: any };
    assert.deepEqual([object.kind, object.metadata.name], ['ConfigMap', 'watched']);
  });

  test('metadata alone has this form for every kind', async () => {
    const { type, bytes } = await ask(`${configMaps}?limit=2`, `${protobuf};${partial}`);
    assert.equal(type, protobuf);
    const { object } = decodeProtobuf(bytes) as { object: any };
    assert.deepEqual([object.kind, object.items.length], ['PartialObjectMetadataList', 2]);
    assert.equal(object.items[0].metadata.name, 'c0');
  });

  test('what cannot be had that way is given in the next way that is asked for, or refused', async () => {
    const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    assert.match((await ask(`${configMaps}/c1`, `${protobuf};as=Table;v=v1;g=meta.k8s.io, ${table}`)).type!, /json/);
    assert.equal((await ask(`${configMaps}/c1`, 'text/plain')).code, 406);
    const reviews = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    const body = { spec: { nonResourceAttributes: { path: '/', verb: 'get' } } };
    assert.equal((await door.ask('POST', reviews, { body, headers: { accept: table } })).status, 406);
    assert.equal(
      (await door.ask('POST', reviews, { body, headers: { accept: `${table}, application/json` } })).status,
      201,
    );
  });

  test('a deletion is told of in protobuf, too', async () => {
    const { type, bytes } = await ask(`${configMaps}/c9`, protobuf, 'DELETE');
    assert.equal(type, protobuf);
    assert.equal((decodeProtobuf(bytes) as { object: any }).object.status, 'Success');
  });
});
