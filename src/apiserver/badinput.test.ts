import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { StoreFullError } from '../store/index.ts';
import { memoryStore } from '../store/index.ts';
import { type Ask, configMap, defaultAccount, type Door, openDoor, pod } from './testkit/index.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';
const patchOf = (type: string) => ({ 'content-type': `application/${type}` });
const jsonPatch = patchOf('json-patch+json');
const mergePatch = patchOf('merge-patch+json');
const strategicPatch = patchOf('strategic-merge-patch+json');
const applyPatch = patchOf('apply-patch+yaml');
const yaml = { 'content-type': 'application/yaml' };

const bomb = [
  'a: &a ["x","x","x","x","x","x","x","x","x"]',
  ...[...'bcdefghi'].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghi'[i]}`).join(',')}]`),
  'metadata: {name: bomb}',
].join('\n');

/** What is asked, then the status, the reason, and what the message says. */
type Case = [name: string, method: string, path: string, ask: Ask, status: number, reason: string, says: RegExp];

const cases: Case[] = [
  [
    'an unknown field, strictly',
    'POST',
    `${configMaps}?fieldValidation=Strict`,
    { body: { ...configMap('n'), bogus: 1 } },
    400,
    'BadRequest',
    /^strict decoding error: unknown field "bogus"$/,
  ],
  [
    'a duplicate field, strictly',
    'POST',
    `${configMaps}?fieldValidation=Strict`,
    { body: '{"metadata":{"name":"n"},"data":{"a":"1","b":"","a" :"2"}}' },
    400,
    'BadRequest',
    /^strict decoding error: duplicate field "data.a"$/,
  ],
  [
    'another field validation',
    'POST',
    `${configMaps}?fieldValidation=Never`,
    { body: configMap('n') },
    400,
    'BadRequest',
    /fieldValidation/,
  ],
  [
    'a number for a string',
    'POST',
    configMaps,
    { body: configMap('n', { x: 1 as never }) },
    400,
    'BadRequest',
    /cannot unmarshal number/,
  ],
  [
    'an impossible quantity',
    'POST',
    pods,
    { body: pod('n', { containers: [{ name: 'c', image: 'i', resources: { limits: { cpu: '12zz' } } }] }) },
    400,
    'BadRequest',
    /quantities must match/,
  ],
  [
    'a body of more than 3 MB',
    'POST',
    configMaps,
    { body: configMap('n', { x: 'y'.repeat(3.2e6) }) },
    413,
    'RequestEntityTooLarge',
    /limit is 3145728/,
  ],
  [
    'broken UTF-8',
    'POST',
    configMaps,
    { body: Buffer.from('{"metadata":{"name":"\xff\xfe"}}', 'latin1') },
    400,
    'BadRequest',
    /UTF-8/,
  ],
  [
    'a name of 300 characters',
    'POST',
    configMaps,
    { body: configMap('x'.repeat(300)) },
    422,
    'Invalid',
    /no more than 253/,
  ],
  [
    'a stale resourceVersion',
    'PUT',
    `${configMaps}/here`,
    { body: configMap('here', {}, { resourceVersion: '1' }) },
    409,
    'Conflict',
    /the object has been modified; please apply your changes to the latest version/,
  ],
  [
    'a resourceVersion that is none',
    'PUT',
    `${configMaps}/here`,
    { body: configMap('here', {}, { resourceVersion: 'abc' }) },
    400,
    'BadRequest',
    /resourceVersion/,
  ],
  [
    'another name than the path',
    'PUT',
    `${configMaps}/here`,
    { body: configMap('there') },
    400,
    'BadRequest',
    /does not match the name on the URL/,
  ],
  ['a PUT on a collection', 'PUT', configMaps, { body: configMap('n') }, 405, 'MethodNotAllowed', /not supported/],
  [
    'an update without the revision that was read, of a kind that wants it',
    'PUT',
    '/apis/coordination.k8s.io/v1/namespaces/default/leases/here',
    { body: { metadata: { name: 'here' } } },
    422,
    'Invalid',
    /metadata.resourceVersion: Invalid value: .*must be specified for an update/,
  ],
  [
    'a JSON patch of what is not there',
    'PATCH',
    `${configMaps}/here`,
    { body: '[{"op":"replace","path":"/nope/x","value":1}]', headers: jsonPatch },
    422,
    'Invalid',
    /missing path/,
  ],
  [
    'a JSON patch whose test fails',
    'PATCH',
    `${configMaps}/here`,
    { body: '[{"op":"test","path":"/data/x","value":"9"}]', headers: jsonPatch },
    422,
    'Invalid',
    /test/,
  ],
  [
    'a JSON patch that is no list',
    'PATCH',
    `${configMaps}/here`,
    { body: '{"op":"x"}', headers: jsonPatch },
    400,
    'BadRequest',
    /array of operations/,
  ],
  [
    'a merge patch that is no object',
    'PATCH',
    `${configMaps}/here`,
    { body: '[1]', headers: mergePatch },
    400,
    'BadRequest',
    /object/,
  ],
  [
    'a merge patch to the wrong type',
    'PATCH',
    `${configMaps}/here`,
    { body: '{"data":5}', headers: mergePatch },
    400,
    'BadRequest',
    /cannot unmarshal number/,
  ],
  [
    'a strategic patch to the wrong type, in the words that kubectl looks for',
    'PATCH',
    `${configMaps}/here`,
    { body: '{"metadata":{"labels":"none"}}', headers: strategicPatch },
    422,
    'Invalid',
    /^ "" is invalid: patch: Invalid value: "map\[metadata:map\[labels:none\]\]": cannot restore map from string$/,
  ],
  [
    'YAML that is said to be JSON',
    'POST',
    configMaps,
    { body: 'kind: ConfigMap', headers: { 'content-type': 'application/json' } },
    400,
    'BadRequest',
    /^the object provided is unrecognized \(must be of type ConfigMap\): couldn't get version\/kind; json parse error: /,
  ],
  [
    'a strategic patch with an unknown directive',
    'PATCH',
    `${configMaps}/here`,
    { body: '{"metadata":{"$patch":"bogus"}}', headers: strategicPatch },
    400,
    'BadRequest',
    /patch type: "bogus"/,
  ],
  [
    'an apply without a manager',
    'PATCH',
    `${configMaps}/here`,
    { body: '{"apiVersion":"v1","kind":"ConfigMap"}', headers: applyPatch },
    422,
    'Invalid',
    /fieldManager: Required value: is required for apply patch/,
  ],
  [
    'an apply of broken YAML',
    'PATCH',
    `${configMaps}/here?fieldManager=m`,
    { body: 'a: [', headers: applyPatch },
    400,
    'BadRequest',
    /YAML/,
  ],
  [
    'an apply of a field that no schema knows',
    'PATCH',
    `${configMaps}/here?fieldManager=m`,
    { body: '{"apiVersion":"v1","kind":"ConfigMap","bogus":1}', headers: applyPatch },
    400,
    'BadRequest',
    /\.bogus: field not declared in schema/,
  ],
  [
    'an apply of a field that no schema knows, strictly',
    'PATCH',
    `${configMaps}/here?fieldManager=m&fieldValidation=Strict`,
    { body: '{"apiVersion":"v1","kind":"ConfigMap","bogus":1}', headers: applyPatch },
    400,
    'BadRequest',
    /\.bogus: field not declared in schema/,
  ],
  [
    'an apply of YAML with a name twice',
    'PATCH',
    `${configMaps}/here?fieldManager=m`,
    { body: 'apiVersion: v1\nkind: ConfigMap\ndata:\n  foo: a\n  foo: b\n', headers: applyPatch },
    400,
    'BadRequest',
    /line 5: key "foo" already set in map/,
  ],
  [
    'an apply of another kind',
    'PATCH',
    `${configMaps}/here?fieldManager=m`,
    { body: '{"apiVersion":"v1","kind":"Secret"}', headers: applyPatch },
    400,
    'BadRequest',
    /Secret/,
  ],
  [
    'a patch of another type',
    'PATCH',
    `${configMaps}/here`,
    { body: '{}' },
    415,
    'UnsupportedMediaType',
    /accepted media types include/,
  ],
  [
    'a body of another type',
    'POST',
    configMaps,
    { body: 'x', headers: { 'content-type': 'text/plain' } },
    415,
    'UnsupportedMediaType',
    /accepted media types include/,
  ],
  [
    'an answer in another type',
    'GET',
    configMaps,
    { headers: { accept: 'text/html' } },
    406,
    'NotAcceptable',
    /media types/,
  ],
  ['half a body', 'POST', configMaps, { body: '{"metadata":' }, 400, 'BadRequest', /JSON/],
  ['no body', 'POST', configMaps, {}, 400, 'BadRequest', /object of kind ConfigMap/],
  ['a list for an object', 'POST', configMaps, { body: '[]' }, 400, 'BadRequest', /object of kind ConfigMap/],
  [
    'a continue token of somebody else',
    'GET',
    `${configMaps}?limit=1&continue=zzz`,
    {},
    400,
    'BadRequest',
    /continue key is not valid/,
  ],
  [
    'a broken label selector',
    'GET',
    `${configMaps}?labelSelector=a%20b%20c`,
    {},
    400,
    'BadRequest',
    /unable to parse requirement/,
  ],
  [
    'a field selector on a field that cannot be selected',
    'GET',
    `${configMaps}?fieldSelector=constructor=1`,
    {},
    400,
    'BadRequest',
    /field label not supported: constructor/,
  ],
  ['broken percent-encoding', 'GET', `${configMaps}/%zz`, {}, 400, 'BadRequest', /percent-encoding/],
  [
    'JSON nested 5,000 deep',
    'POST',
    configMaps,
    { body: `{"metadata":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}` },
    400,
    'BadRequest',
    /nested deeper/,
  ],
  [
    'YAML nested 100,000 deep',
    'POST',
    configMaps,
    { body: `a: ${'['.repeat(1e5)}${']'.repeat(1e5)}`, headers: yaml },
    400,
    'BadRequest',
    /YAML/,
  ],
  ['YAML whose aliases multiply', 'POST', configMaps, { body: bomb, headers: yaml }, 400, 'BadRequest', /aliases/],
  [
    'a field named __proto__',
    'POST',
    configMaps,
    { body: '{"metadata":{"name":"n"},"__proto__":{"x":1}}' },
    400,
    'BadRequest',
    /__proto__/,
  ],
  [
    'a field named __proto__ in escapes',
    'POST',
    configMaps,
    { body: '{"metadata":{"name":"n"},"data":{"\\u005f_proto__":{}}}' },
    400,
    'BadRequest',
    /__proto__/,
  ],
  ['a limit that is no number', 'GET', `${configMaps}?limit=abc`, {}, 400, 'BadRequest', /limit: "abc"/],
  ['a revision that is no number', 'GET', `${configMaps}?resourceVersion=-1`, {}, 400, 'BadRequest', /resourceVersion/],
  [
    'a revision of the future',
    'GET',
    `${configMaps}?resourceVersion=99999`,
    {},
    504,
    'Timeout',
    /Too large resource version/,
  ],
  [
    'a watch from a revision that is none',
    'GET',
    `${configMaps}?watch=1&resourceVersion=abc`,
    {},
    400,
    'BadRequest',
    /resourceVersion/,
  ],
  [
    'a resource that is not served',
    'GET',
    '/api/v1/bogus',
    {},
    404,
    'NotFound',
    /could not find the requested resource/,
  ],
  [
    'a subresource that is none',
    'GET',
    `${configMaps}/here/constructor`,
    {},
    404,
    'NotFound',
    /could not find the requested resource/,
  ],
  ['a path that is none', 'GET', '/bogus', {}, 404, 'NotFound', /could not find the requested resource/],
  [
    'a create with a name in the path',
    'POST',
    `${configMaps}/here`,
    { body: configMap('here') },
    405,
    'MethodNotAllowed',
    /not supported/,
  ],
  [
    'a namespace that is not there',
    'POST',
    '/api/v1/namespaces/nope/configmaps',
    { body: configMap('n') },
    404,
    'NotFound',
    /namespaces "nope" not found/,
  ],
  [
    'another namespace than the path',
    'POST',
    configMaps,
    { body: configMap('n', {}, { namespace: 'other' }) },
    400,
    'BadRequest',
    /does not match the namespace sent on the request/,
  ],
  [
    'a resourceVersion on a create',
    'POST',
    configMaps,
    { body: configMap('n', {}, { resourceVersion: '5' }) },
    400,
    'BadRequest',
    /resourceVersion should not be set/,
  ],
  ['no name at all', 'POST', configMaps, { body: {} }, 422, 'Invalid', /name or generateName is required/],
  ['half a dry run', 'POST', `${configMaps}?dryRun=Some`, { body: configMap('n') }, 400, 'BadRequest', /dryRun/],
  [
    'a propagation policy that is none',
    'DELETE',
    `${configMaps}/here?propagationPolicy=x`,
    {},
    422,
    'Invalid',
    /propagationPolicy: Unsupported value/,
  ],
  [
    'delete options that are none',
    'DELETE',
    `${configMaps}/here`,
    { body: { kind: 'Pod' } },
    400,
    'BadRequest',
    /DeleteOptions/,
  ],
  [
    'a deletion of another object of that name',
    'DELETE',
    `${configMaps}/here`,
    { body: { preconditions: { uid: 'x' } } },
    409,
    'Conflict',
    /Precondition failed: UID/,
  ],
  [
    'a deletion of another revision',
    'DELETE',
    `${configMaps}/here`,
    { body: { preconditions: { resourceVersion: '1' } } },
    409,
    'Conflict',
    /Precondition failed: ResourceVersion/,
  ],
];

describe('bad input is refused as Kubernetes refuses it', () => {
  let door: Door;
  before(async () => {
    door = await openDoor();
    await defaultAccount(door);
    await door.ask('POST', configMaps, { body: configMap('here', { x: '1' }) });
    await door.ask('POST', '/apis/coordination.k8s.io/v1/namespaces/default/leases', {
      body: { metadata: { name: 'here' } },
    });
  });
  after(() => door[Symbol.asyncDispose]());

  for (const [name, method, path, ask, status, reason, says] of cases)
    test(name, async () => {
      const { body, ...answered } = await door.ask(method, path, ask);
      assert.deepEqual([answered.status, body?.reason ?? ''], [status, reason], answered.text.slice(0, 300));
      assert.match(body.message, says);
      assert.equal(body.kind, 'Status');
      assert.equal(body.code, status);
    });

  test('and has left nothing behind', async () => {
    const { body } = await door.ask('GET', configMaps);
    assert.deepEqual(
      body.items.map((one: any) => one.metadata.name),
      ['here'],
    );
    assert.deepEqual(body.items[0].data, { x: '1' });
  });

  test('what is only doubtful is told in a Warning, and dropped', async () => {
    const body = '{"metadata":{"name":"told"},"bogus":1,"data":{"a":"1","a":"2"}}';
    const warned = await door.ask('POST', configMaps, { body });
    assert.equal(warned.status, 201);
    assert.equal(warned.headers.warning, '299 - "unknown field \\"bogus\\"", 299 - "duplicate field \\"data.a\\""');
    assert.equal(warned.body.bogus, undefined);
    await door.ask('DELETE', `${configMaps}/told`);
    const ignored = await door.ask('POST', `${configMaps}?fieldValidation=Ignore`, { body });
    assert.deepEqual([ignored.status, ignored.headers.warning], [201, undefined]);
    await door.ask('DELETE', `${configMaps}/told`);
  });

  test('names of Object.prototype are names like others', async () => {
    const labels = { constructor: 'x', toString: 'y' };
    const made = await door.ask('POST', configMaps, { body: configMap('odd', { hasOwnProperty: 'z' }, { labels }) });
    assert.deepEqual({ ...made.body.metadata.labels }, labels);
    assert.equal(made.body.data.hasOwnProperty, 'z');
    await door.ask('DELETE', `${configMaps}/odd`);
  });

  test('headers of more than 64 KB end the connection with 431', async () => {
    assert.equal((await door.ask('GET', configMaps, { headers: { x: 'y'.repeat(70_000) } })).status, 431);
  });

  test('a body that stops early writes nothing, and the server goes on', async () => {
    const text = JSON.stringify(configMap('torn'));
    const socket = await rawSocket(door);
    socket.write(
      `POST ${configMaps} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${text.length + 100}\r\n\r\n${text}`,
    );
    await new Promise<void>((resolve) => socket.end(resolve));
    assert.equal((await door.ask('GET', `${configMaps}/torn`)).status, 404);
  });

  test('what is no HTTP gets a 400 and loses the connection', async () => {
    const socket = await rawSocket(door);
    socket.write('\x00\x01 nonsense\r\n\r\n');
    let text = '';
    for await (const part of socket) text += part;
    assert.match(text, /^HTTP\/1.1 400 /);
  });

  test('a flood of HTTP/2 resets ends its connection, not the server', async () => {
    const socket = await rawSocket(door, 'h2');
    socket.resume();
    let closed = false;
    socket.on('close', () => (closed = true));
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(frame(4, 0, 0, Buffer.alloc(0)));
    const path = Buffer.from(configMaps);
    const headers = Buffer.concat([Buffer.from([0x82, 0x87, 0x04, path.length]), path, Buffer.from([0x01, 1, 0x78])]);
    for (let id = 1; id < 40_000 && !closed; id += 200) {
      const ids = Array.from({ length: 100 }, (_, i) => id + 2 * i);
      socket.write(
        Buffer.concat(ids.flatMap((one) => [frame(1, 5, one, headers), frame(3, 0, one, Buffer.from([0, 0, 0, 8]))])),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (let turns = 0; turns < 1000 && !closed; turns++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(closed, 'twenty thousand resets were taken');
    assert.equal((await door.ask('GET', '/readyz')).status, 200);
  });
});

test('a full disk is told with 507, reads go on, and writes when there is room again', async () => {
  const store = memoryStore();
  const txn = store.txn.bind(store);
  let full = false;
  store.txn = (transaction) => (full ? Promise.reject(new StoreFullError(new Error('ENOSPC'))) : txn(transaction));
  await using door = await openDoor({ store });
  await door.ask('POST', configMaps, { body: configMap('before') });
  full = true;
  const refused = await door.ask('POST', configMaps, { body: configMap('during') });
  assert.equal(refused.status, 507);
  assert.match(refused.body.message, /no room left on its disk: free some space; what is stored is safe/);
  assert.equal((await door.ask('GET', `${configMaps}/before`)).status, 200);
  full = false;
  assert.equal((await door.ask('POST', configMaps, { body: configMap('after') })).status, 201);
  assert.equal((await door.ask('GET', `${configMaps}/during`)).status, 404);
});

/** An HTTP/2 frame. */
function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function rawSocket(door: Door, protocol = 'http/1.1'): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const { host, port, ca, cert, key } = door.tls as {
      host: string;
      port: number;
      ca: string;
      cert: string;
      key: string;
    };
    const socket = connect({ host, port, ca, cert, key, ALPNProtocols: [protocol] }, () => resolve(socket));
    socket.on('error', reject);
  });
}
