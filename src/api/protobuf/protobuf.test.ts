import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiVersionOf, seededRandom } from '../../machinery/index.ts';
import { kinds } from '../kinds.ts';
import { decodeProtobuf, encodeProtobuf, encodeWatchFrame, hasProtobuf, ProtobufError } from './index.ts';
import objects from './testdata/objects.json' with { type: 'json' };

// what Go's own serializers made of objects that this project wrote
const samples = objects
  .filter(({ object }) => object !== null)
  .map(({ name, object, bytes }) => ({
    name,
    object: object as any,
    bytes: new Uint8Array(Buffer.from(bytes, 'base64')),
  }));

/** Go writes `null` where it has no list; nobody tells that from absence. */
function withoutNulls(value: any, keep = false): any {
  if (Array.isArray(value)) return value.map((one) => withoutNulls(one, true));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => keep || inner !== null);
  return Object.fromEntries(entries.map(([name, inner]) => [name, withoutNulls(inner)]));
}

for (const { name, object, bytes } of samples) {
  test(`protobuf: ${name} is read as the JSON that Go writes`, () => {
    const read = decodeProtobuf(bytes);
    assert.deepEqual({ ...read.object }, withoutNulls(object));
    assert.deepEqual([read.apiVersion, read.kind], [object.apiVersion, object.kind]);
  });

  test(`protobuf: ${name} is written as Go writes it, byte for byte`, () => {
    const written = encodeProtobuf(object, object.apiVersion, object.kind);
    assert.equal(Buffer.from(written).toString('hex'), Buffer.from(bytes).toString('hex'));
  });
}

test('protobuf: a frame of a watch is what Go writes', () => {
  const { bytes } = objects.at(-1)!;
  assert.equal(Buffer.from(encodeWatchFrame('ADDED', samples.at(-1)!.bytes)).toString('base64'), bytes);
});

test('protobuf: every kind that is served, and its list, can be read and written', () => {
  const missing = kinds
    .flatMap((kind) =>
      [kind, ...Object.values(kind.subresources).map((sub) => sub.kind)].map((one) => [apiVersionOf(one), one.kind]),
    )
    .concat(kinds.filter((kind) => kind.verbs.includes('list')).map((kind) => [apiVersionOf(kind), `${kind.kind}List`]))
    .filter(
      ([apiVersion, kind]) =>
        !hasProtobuf(apiVersion!, kind!) && !/^Pod\w+Options$|^(Node|Service)ProxyOptions$/.test(kind!),
    );
  assert.deepEqual(missing, []);
});

function tryDecode(bytes: Uint8Array): unknown {
  try {
    return decodeProtobuf(bytes).object;
  } catch (error) {
    assert.ok(error instanceof ProtobufError, `${(error as Error).stack}`);
    return error;
  }
}

test('protobuf: an object that is cut short is refused, wherever the cut is', () => {
  for (const { object, bytes } of samples.slice(0, 4)) {
    // the envelope's parts may each be absent: behind its apiVersion and kind, and before its two empty last fields, a cut is none
    const type = 4 + 2 + 2 + object.apiVersion.length + 2 + object.kind.length;
    for (let length = 0; length < bytes.length; length++)
      if (![type, bytes.length - 2, bytes.length - 4].includes(length))
        assert.ok(tryDecode(bytes.subarray(0, length)) instanceof ProtobufError, `cut at ${length}`);
  }
});

test('protobuf: damaged bytes give an object or a ProtobufError, never anything else', () => {
  const random = seededRandom(1);
  for (const { bytes } of samples)
    for (let round = 0; round < 500; round++) {
      const damaged = bytes.slice();
      for (let i = 0; i <= round % 3; i++)
        damaged[4 + Math.floor(random.next() * (bytes.length - 4))] = Math.floor(random.next() * 256);
      tryDecode(damaged);
    }
});

function refused(bytes: Uint8Array, pattern: RegExp): void {
  assert.throws(
    () => decodeProtobuf(bytes),
    (error) => error instanceof ProtobufError && pattern.test(error.message),
  );
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** A field that holds bytes. */
function field(number: number, value: Uint8Array | string): Uint8Array {
  const bytes = Buffer.from(value as Uint8Array);
  return Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes]);
}

function envelope(apiVersion: string, kind: string, raw: Uint8Array): Uint8Array {
  return Buffer.concat([
    Buffer.from('k8s\0'),
    field(1, Buffer.concat([field(1, apiVersion), field(2, kind)])),
    field(2, raw),
  ]);
}

const configMap = (raw: Uint8Array) => envelope('v1', 'ConfigMap', raw);
const entry = (key: string, value: string | Uint8Array) => field(2, Buffer.concat([field(1, key), field(2, value)]));

test('protobuf: what cannot be is refused with its reason', () => {
  refused(new Uint8Array(), /does not begin/);
  refused(Buffer.from('{"kind":"Pod"}'), /does not begin/);
  refused(Buffer.from('k8s\0'), /names no apiVersion/);
  refused(envelope('example.test/v1', 'Thing', new Uint8Array()), /"Thing" of "example.test\/v1" has no protobuf form/);
  refused(envelope('__proto__', 'constructor', new Uint8Array()), /has no protobuf form/);
  refused(configMap(entry('__proto__', 'x')), /may not be named/);
  refused(configMap(entry('a', Buffer.from([0xff]))), /not valid UTF-8/);
  refused(configMap(entry('a', Buffer.alloc(100, 0xc0))), /not valid UTF-8/);
  refused(configMap(Buffer.from([0x10, 1])), /wire type 0/);
  refused(configMap(Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f])), /goes beyond/);
  refused(configMap(Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])), /over 32 bits/);
  refused(configMap(Buffer.from([0x02, 0])), /number 0/);
});

test('protobuf: messages and envelopes nested too deep are refused', () => {
  let schema: Uint8Array = field(5, 'object');
  for (let i = 0; i < 5000; i++) schema = field(28, schema);
  const version = field(4, field(1, schema));
  refused(
    envelope('apiextensions.k8s.io/v1', 'CustomResourceDefinition', field(2, field(7, version))),
    /deeper than 100/,
  );
  let list = envelope('v1', 'List', new Uint8Array());
  for (let i = 0; i < 2000; i++) list = envelope('v1', 'List', field(2, field(1, list)));
  refused(list, /deeper than 100/);
  const deep = Buffer.from('['.repeat(5000) + ']'.repeat(5000));
  refused(envelope('v1', 'List', field(2, field(1, deep))), /deeper than 1000/);
  refused(envelope('v1', 'List', field(2, field(1, '{"\\u005f_proto__":1}'))), /may not be named/);
});

test('protobuf: fields of a later version are stepped over, and a message in two pieces becomes one', () => {
  const later = Buffer.concat([
    Buffer.from([0xf8, 0x07, 0x01]),
    field(90, 'x'),
    Buffer.from([0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8]),
  ]);
  const { object } = decodeProtobuf(
    configMap(Buffer.concat([later, field(1, field(1, 'a')), field(1, field(3, 'b'))])),
  );
  assert.deepEqual({ ...object }, { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'a', namespace: 'b' } });
});

test('protobuf: a value of the wrong type is refused without being shown', () => {
  const secret = { data: { password: 'no*base64' } };
  assert.throws(
    () => encodeProtobuf(secret, 'v1', 'Secret'),
    (error) =>
      error instanceof ProtobufError && /data: .*base64/.test(error.message) && !error.message.includes('no*base64'),
  );
  assert.throws(
    () => encodeProtobuf({ metadata: { name: 1 } }, 'v1', 'Pod'),
    /name: a value \(number\) is not a string/,
  );
  assert.throws(
    () => encodeProtobuf({ metadata: { labels: [] } }, 'v1', 'Pod'),
    /labels: a value \(a list\) is not an object/,
  );
  assert.throws(
    () => encodeProtobuf({}, 'example.test/v1', 'Thing'),
    (error: ProtobufError) => error.code === 'unknownKind',
  );
});

test('protobuf: a long text and a large secret come through whole', () => {
  const object = {
    data: { a: 'é'.repeat(100_000), b: 'x'.repeat(300_000) },
    binaryData: { c: Buffer.alloc(50_000, 0xfe).toString('base64') },
  };
  const read = decodeProtobuf(encodeProtobuf(object, 'v1', 'ConfigMap')).object;
  assert.deepEqual({ ...read }, { kind: 'ConfigMap', apiVersion: 'v1', metadata: {}, ...object });
});
