import assert from 'node:assert/strict';
import { Agent, request } from 'node:https';
import { after, before, describe, test } from 'node:test';
import type { VirtualClock } from '../testing/index.ts';
import { issue } from './index.ts';
import { covers, granted, type Identity, rulesOf, type Stored, type Wanted } from './testkit/grants.ts';
import { defaultAccount, type Door, openDoor, pod } from './testkit/index.ts';

const rbac = '/apis/rbac.authorization.k8s.io/v1';
const methods: Record<string, string> = {
  get: 'GET',
  list: 'GET',
  watch: 'GET',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETE',
};
const secret = 'what-nobody-else-may-read';

interface Someone extends Identity {
  readonly agent: Agent;
  readonly headers: Record<string, string>;
}

interface Point extends Wanted {
  readonly url: string;
}

describe('the authorization matrix', () => {
  let door: Door;
  let people: Record<string, Someone>;
  let points: Point[];
  let stored: Stored;
  const agents: Agent[] = [];

  before(async () => {
    door = await openDoor();
    for (const namespace of ['default', 'kube-system']) await defaultAccount(door, namespace);
    people = await peopleOf(door, agents);
    await door.ask('POST', '/api/v1/namespaces/kube-system/secrets', {
      body: { metadata: { name: 's' }, stringData: { s: secret } },
    });
    points = await pointsOf(door);
    stored = await storedOf(door);
  });
  after(async () => {
    for (const agent of agents) agent.destroy();
    await door[Symbol.asyncDispose]();
  });

  /** Asks everything; gives what differs from what is granted. */
  const differences = async (who: Someone, expected: (point: Point) => boolean | undefined) => {
    const found: string[] = [];
    let allowed = 0;
    const rest = [...points];
    const ask = async () => {
      for (let point = rest.pop(); point !== undefined; point = rest.pop()) {
        const wanted = expected(point);
        const { status, text } = await send(door, who, methods[point.verb]!, point.url);
        // a node is also held back by NodeRestriction
        const refused =
          status === 401 || (status === 403 && (who === people.node || text.includes(`cannot ${point.verb} `)));
        if (!refused) allowed++;
        if (wanted !== undefined && wanted === refused)
          found.push(`${point.verb} ${point.url}: ${status} ${text.slice(0, 200)}`);
      }
    };
    await Promise.all(Array.from({ length: 8 }, ask));
    return { found: found.slice(0, 10), allowed };
  };

  for (const name of ['anonymous', 'nobody', 'account', 'viewer', 'editor', 'admin', 'bootstrap'])
    test(`${name} reaches what RBAC grants, and nothing else`, async () => {
      const who = people[name]!;
      const { found, allowed } = await differences(who, (point) => granted(stored, who, point));
      assert.deepEqual(found, []);
      assert.ok(allowed > 0 && allowed < points.length, `${allowed} of ${points.length}`);
    });

  test('a node reaches no more than what the role of nodes names, and no secret of others', async () => {
    const who = people.node!;
    const rules = rulesOf(stored, { roleRef: { kind: 'ClusterRole', name: 'system:node' }, metadata: {} });
    const { found } = await differences(who, (point) => {
      const may = granted(stored, who, point) || rules.some((rule) => covers(rule, point));
      const secretive = ['secrets', 'configmaps'].includes(point.resource ?? '');
      return may && !secretive ? undefined : false;
    });
    assert.deepEqual(found, []);
    const patch = (node: string) =>
      send(door, who, 'PATCH', `/api/v1/nodes/${node}/status`, '{"metadata":{"labels":{"a":"b"}}}');
    assert.equal((await patch('mine')).status, 200);
    assert.equal((await patch('other')).status, 403);
    assert.equal((await send(door, who, 'GET', '/api/v1/nodes/mine')).status, 200);
  });

  test('no header, and no token that is not good, makes somebody else of anybody', async () => {
    const path = '/api/v1/namespaces/kube-system/secrets/s';
    const { anonymous, nobody, account } = people as Record<string, Someone>;
    const remote = { 'x-remote-user': 'kubernetes-admin', 'x-remote-group': 'system:masters', 'x-remote-uid': '1' };
    const impersonate = { 'impersonate-user': 'kubernetes-admin', 'impersonate-group': 'system:masters' };
    for (const who of [anonymous!, nobody!, account!])
      for (const headers of [
        remote,
        impersonate,
        { ...remote, ...impersonate },
        { 'X-Forwarded-User': 'kubernetes-admin' },
      ]) {
        const { status, text } = await send(door, { ...who, headers: { ...who.headers, ...headers } }, 'GET', path);
        assert.equal(status, 403, `${who.name} ${JSON.stringify(headers)}`);
        assert.ok(!text.includes(secret));
      }
    const good = account!.headers.authorization!.slice('Bearer '.length);
    const [head, claims, signature] = good.split('.') as [string, string, string];
    const packed = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const said = JSON.parse(Buffer.from(claims, 'base64url').toString());
    const elsewhere = await tokenOf(door, { audiences: ['elsewhere'] });
    const forged = [
      `${packed({ alg: 'none' })}.${claims}.`,
      `${packed({ alg: 'HS256' })}.${claims}.${signature}`,
      `${head}.${packed({ ...said, sub: 'system:serviceaccount:kube-system:namespace-controller' })}.${signature}`,
      `${head}.${claims}.`,
      `${head}.${claims}.${signature.slice(0, -4)}AAAA`,
      `${good}x`,
      elsewhere,
      'aaaaaa.bbbbbbbbbbbbbbbb',
    ];
    for (const token of forged) {
      const { status } = await send(
        door,
        { ...anonymous!, headers: { authorization: `Bearer ${token}` } },
        'GET',
        path,
      );
      assert.equal(status, 401, token);
    }
    assert.equal((await send(door, account!, 'GET', path)).status, 403);
  });

  test('no way of writing a path leads around the rules', async () => {
    const ways = [
      '//api/v1/namespaces/kube-system/secrets/s',
      '/api//v1/namespaces/kube-system/secrets/s',
      '/api/v1//namespaces/kube-system/secrets/s',
      '/api/v1/namespaces/default/../kube-system/secrets/s',
      '/api/v1/namespaces/default/%2e%2e/kube-system/secrets/s',
      '/api/v1/namespaces/default%2f..%2fkube-system/secrets/s',
      '/api/v1/namespaces/kube-system%2fsecrets/s',
      '/api/v1/namespaces/default/secrets/..%2fkube-system%2fs',
      '/api/v1/namespaces/default/secrets/..%2f..%2fkube-system%2fsecrets%2fs',
      '/api/v1/secrets/kube-system%2fs',
      '/api/v1/secrets/s',
      '/api/v1/namespaces//secrets/s',
      '/api/v1/namespaces/default/secrets/%2e%2e',
      '/API/v1/namespaces/kube-system/secrets/s',
      '/api/v1/namespaces/kube-system/SECRETS/s',
      '/api/v1/namespaces/kube-system/secrets/s/',
      '/api/v1/namespaces/kube-system/secrets/s;x=y',
      '/api/v1/namespaces/kube-system/secrets;x/s',
      '/api/v1/watch/namespaces/kube-system/secrets/s',
      '/api/v1/watch/secrets?timeoutSeconds=1',
      '/api/v1/namespaces/kube-system/secrets/s?namespace=default',
      '/api/v1/namespaces/kube-system/secrets?fieldSelector=metadata.name=s',
      '/api/v1/namespaces/kube-system%00/secrets/s',
      '/healthz/../api/v1/namespaces/kube-system/secrets/s',
      '/version/..%2fapi/v1/secrets',
      '/apis/v1/namespaces/kube-system/secrets/s',
      '/apis//v1/namespaces/kube-system/secrets/s',
      '/api/v1/namespaces/kube-system/secrets/s/status',
      '/api/v1/namespaces/kube%2dsystem/secrets/s',
      '/%61pi/v1/namespaces/kube-system/secrets/s',
      'https://127.0.0.1/api/v1/namespaces/kube-system/secrets/s',
    ];
    for (const who of Object.values(people))
      for (const way of ways) {
        const { status, text } = await send(door, who, 'GET', way);
        assert.ok(!text.includes(Buffer.from(secret).toString('base64')), `${who.name} read it by ${way}`);
        assert.ok(status >= 400 || text.length < 300, `${who.name}: ${way}: ${status} ${text.slice(0, 200)}`);
      }
  });

  test('a token is good until it expires', async () => {
    await (door.cluster.clock as VirtualClock).advance(3700_000);
    const { status } = await send(door, people.account!, 'GET', '/version');
    assert.equal(status, 401);
  });
});

async function peopleOf(door: Door, agents: Agent[]): Promise<Record<string, Someone>> {
  const { authority } = await door.cluster.listen();
  const now = Date.now();
  const agent = (options: object = {}) => {
    const made = new Agent({ keepAlive: true, ca: door.tls.ca, ...options });
    agents.push(made);
    return made;
  };
  const withCertificate = (name: string, groups: string[] = []): Someone => {
    const { certificate, key } = issue(authority, {
      commonName: name,
      organizations: groups,
      uses: ['client'],
      notBefore: now - 3600_000,
      notAfter: now + 3600_000,
    });
    return { name, groups: [...groups, 'system:authenticated'], agent: agent({ cert: certificate, key }), headers: {} };
  };
  const withToken = (name: string, groups: string[], token: string): Someone => ({
    name,
    groups: [...groups, 'system:authenticated'],
    agent: agent(),
    headers: { authorization: `Bearer ${token}` },
  });
  for (const [name, role] of [
    ['viewer', 'view'],
    ['editor', 'edit'],
    ['admin', 'admin'],
  ])
    await door.ask('POST', `${rbac}/namespaces/default/rolebindings`, {
      body: {
        metadata: { name },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
        subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name }],
      },
    });
  for (const name of ['mine', 'other']) await door.ask('POST', '/api/v1/nodes', { body: { metadata: { name } } });
  await door.ask('POST', '/api/v1/namespaces/default/pods', { body: pod('theirs', { nodeName: 'other' }) });
  const [id, rest] = ['abcdef', '0123456789abcdef'];
  await door.ask('POST', '/api/v1/namespaces/kube-system/secrets', {
    body: {
      metadata: { name: `bootstrap-token-${id}` },
      type: 'bootstrap.kubernetes.io/token',
      stringData: { 'token-id': id, 'token-secret': rest, 'usage-bootstrap-authentication': 'true' },
    },
  });
  return {
    anonymous: { name: 'system:anonymous', groups: ['system:unauthenticated'], agent: agent(), headers: {} },
    nobody: withCertificate('nobody'),
    account: withToken(
      'system:serviceaccount:default:default',
      ['system:serviceaccounts', 'system:serviceaccounts:default'],
      await tokenOf(door, {}),
    ),
    viewer: withCertificate('viewer'),
    editor: withCertificate('editor'),
    admin: withCertificate('admin'),
    bootstrap: withToken(`system:bootstrap:${id}`, ['system:bootstrappers'], `${id}.${rest}`),
    node: withCertificate('system:node:mine', ['system:nodes']),
  };
}

async function tokenOf(door: Door, spec: object): Promise<string> {
  const { body } = await door.ask('POST', '/api/v1/namespaces/default/serviceaccounts/default/token', {
    body: { spec: { audiences: [], expirationSeconds: 3600, ...spec } },
  });
  return body.status.token;
}

/** Every verb of every resource and subresource that discovery tells of, in two namespaces; and the paths that are none. */
async function pointsOf(door: Door): Promise<Point[]> {
  const points: Point[] = [];
  const { body } = await door.ask('GET', '/apis');
  const versions = body.groups.flatMap((group: any) => group.versions.map((one: any) => one.groupVersion));
  for (const version of ['v1', ...versions]) {
    const base = version === 'v1' ? '/api/v1' : `/apis/${version}`;
    const group = version === 'v1' ? '' : version.split('/')[0];
    const { resources } = (await door.ask('GET', base)).body;
    for (const { name: resource, namespaced, verbs } of resources)
      for (const namespace of namespaced ? ['default', 'kube-system'] : [''])
        for (const verb of verbs) points.push(pointOf(base, { group, resource, namespace, verb }));
  }
  for (const path of [
    '/',
    '/api',
    '/apis',
    '/version',
    '/healthz',
    '/livez',
    '/readyz',
    '/metrics',
    '/openapi/v2',
    '/openapi/v3',
    '/logs',
    '/debug/pprof',
    '/openid/v1/jwks',
    '/.well-known/openid-configuration',
    '/nothing',
    '/healthz/x',
  ])
    points.push({ verb: 'get', path, url: path });
  return points;
}

function pointOf(base: string, wanted: { group: string; resource: string; namespace: string; verb: string }): Point {
  const { resource, namespace, verb } = wanted;
  const [plural, subresource] = resource.split('/');
  const whole = subresource === undefined && ['list', 'watch', 'create', 'deletecollection'].includes(verb);
  const scope = namespace === '' ? '' : `/namespaces/${namespace}`;
  const query = verb === 'watch' ? '?watch=1&timeoutSeconds=1' : verb === 'get' || verb === 'list' ? '' : '?dryRun=All';
  const name = whole ? '' : 'nothing-there';
  const url = `${base}${scope}/${plural}${name && `/${name}`}${subresource ? `/${subresource}` : ''}${query}`;
  // as upstream: what is asked of a namespace is asked in it
  return { ...wanted, name, namespace: plural === 'namespaces' ? name : namespace, url };
}

async function storedOf(door: Door): Promise<Stored> {
  const items = async (resource: string) => (await door.ask('GET', `${rbac}/${resource}`)).body.items;
  return {
    clusterRoles: await items('clusterroles'),
    roles: await items('roles'),
    clusterRoleBindings: await items('clusterrolebindings'),
    roleBindings: await items('rolebindings'),
  };
}

/** The status and the beginning of the answer: a watch is left once it is open. */
function send(
  door: Door,
  who: Someone,
  method: string,
  path: string,
  body?: string,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = { ...who.headers };
    const text = body ?? (method === 'GET' ? undefined : '{}');
    if (text !== undefined) headers['content-length'] = String(Buffer.byteLength(text));
    if (text !== undefined)
      headers['content-type'] = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const sent = request(
      { host: '127.0.0.1', port: door.port, agent: who.agent, method, path, headers },
      (response) => {
        const status = response.statusCode!;
        if (status === 200 && /watch/.test(path)) {
          resolve({ status, text: '' });
          return void response.destroy();
        }
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => resolve({ status, text: Buffer.concat(parts).toString() }));
        response.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(text);
  });
}
