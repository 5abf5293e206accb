/** Requests, one a number. */
import { type Kind, kinds } from '../../src/api/index.ts';
import { bodyOf, type Written } from './bodies.ts';
import { Chance } from './chance.ts';
import { names, text } from './values.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string | string[]>;
  readonly body?: Written;
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  /** An upgrade, or bytes that are hardly HTTP. */
  readonly upgrade: boolean;
}

const namespaces = ['default', 'a', 'b'];
const methods = [
  'GET',
  'GET',
  'GET',
  'POST',
  'POST',
  'POST',
  'PUT',
  'PATCH',
  'PATCH',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PURGE',
];
const others = [
  '/',
  '/api',
  '/apis',
  '/version',
  '/healthz',
  '/readyz/ping',
  '/livez?verbose',
  '/metrics',
  '/openapi/v2',
  '/openapi/v3',
  '/openapi/v3/apis/apps/v1',
  '/openapi/v3/../x',
  '/openid/v1/jwks',
  '/.well-known/openid-configuration',
  '/debug/pprof/',
  '/logs/',
  '/apis/x/v1',
  '/api/v1/watch',
  '/api/v1/watch/namespaces/a/pods/b',
  '/apis/apps',
  '/api/v1/proxy/nodes/a',
  '//api//v1',
  '/api/v1/',
  '/API/V1/pods',
  '/api/v1/pods;x=y',
  '/%2e%2e/api/v1',
  '/api%2fv1/pods',
  '/api/v1/namespaces/a%2f..%2fb/pods',
  '/apis/fuzz.test/v1/namespaces/a/things/b/status',
  '/apis/fuzz.test/v1/things?labelSelector=a',
  '/__proto__/constructor',
  '/apis/__proto__/v1/x',
  '/api/v1/constructor',
  '/favicon.ico',
];
const selectors = [
  'a=b',
  'a in (b,c)',
  '!a',
  'a',
  'a in (',
  '(((',
  'a notin ()',
  'x'.repeat(300),
  'metadata.name=a',
  'metadata.name!=a',
  'status.phase=Running',
  '__proto__=a',
  'a>1',
  ',',
  '=',
  'a=b,',
];
const parameters: Record<string, readonly string[]> = {
  labelSelector: selectors,
  fieldSelector: selectors,
  limit: ['0', '1', '2', '-1', 'x', '9007199254740993', '1e3'],
  continue: [
    '',
    'x',
    token({ v: 'meta.k8s.io/v1', rv: 1, start: 'a\u0000' }),
    token({ v: 'meta.k8s.io/v1', rv: -1, start: '../..' }),
    token(null),
    token([]),
    token({ rv: 'x' }),
  ],
  resourceVersion: ['', '0', '1', '2', '-1', 'x', '1.5', '99999999999999999999', '１'],
  resourceVersionMatch: ['', 'Exact', 'NotOlderThan', 'x'],
  watch: ['1', 'true', '0', '', 'x'],
  allowWatchBookmarks: ['true', 'x'],
  sendInitialEvents: ['true', 'false', 'x'],
  timeoutSeconds: ['1', '0', '-1', 'x'],
  dryRun: ['All', 'x', ''],
  fieldManager: ['m', '', 'x'.repeat(200), '\u0000', 'é'],
  fieldValidation: ['Strict', 'Warn', 'Ignore', '', 'x'],
  force: ['true', 'false', 'x'],
  gracePeriodSeconds: ['0', '1', '-1', 'x', '9999999999'],
  propagationPolicy: ['Orphan', 'Foreground', 'Background', 'x', ''],
  includeObject: ['None', 'Object', 'x'],
  pretty: ['true', 'x'],
  container: ['a', ''],
  command: ['a'],
  __proto__: ['a'],
  path: ['/a', '..'],
};
const accepts = [
  'application/json',
  '*/*',
  '',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
  'application/cbor',
  'application/json;as=Table;v=v1;g=meta.k8s.io',
  'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
  'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json',
  'application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io',
  'application/json;stream=watch',
  'text/html',
  'application/json;q=0',
  ';;,,',
  'application/*',
  'application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io',
  'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
  'application/json;as=Table;v=v2;g=x',
];
const odd: Record<string, readonly string[]> = {
  'impersonate-user': ['a', '', 'system:serviceaccount:a:b', 'system:serviceaccount::', 'system:anonymous'],
  'impersonate-group': ['a', 'system:masters'],
  'impersonate-uid': ['x'],
  'impersonate-extra-%zz': ['a'],
  'impersonate-extra-__proto__': ['a'],
  'x-remote-user': ['system:admin'],
  'x-remote-group': ['system:masters'],
  authorization: [
    'Bearer x',
    'Bearer a.b.c',
    'Bearer eyJhbGciOiJub25lIn0.e30.',
    'Basic eDp5',
    'Bearer',
    'Bearer aaaaaa.bbbbbbbbbbbbbbbb',
  ],
  'accept-encoding': ['gzip', 'gzip;q=0', 'br', 'x, gzip;q=x'],
  'if-none-match': ['"x"', '*'],
  'user-agent': ['', 'x'.repeat(2000)],
  'sec-websocket-protocol': ['v5.channel.k8s.io', 'base64url.bearer.authorization.k8s.io.!!!', ','],
  'x-http-method-override': ['DELETE'],
  range: ['bytes=0-1'],
  expect: ['100-continue', 'x'],
};

function token(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** These name places to send to; the fuzzer sends nothing on. */
const outward = new Set(['apiservices']);
const served = kinds.filter(({ resource }) => !outward.has(resource));
/** Half of the requests go to a few kinds, so that they meet what others have left. */
const popular = served.filter(
  ({ resource, version }) =>
    /^(configmaps|pods|services|deployments|customresourcedefinitions|secrets|validatingadmissionpolic|roles|leases)/.test(
      resource,
    ) && /^v1$/.test(version),
);

export function requestOf(seed: number, number: number): Asked {
  const chance = new Chance(seed, number);
  const kind = chance.of(chance.one(2) ? popular : served);
  const method = chance.of(methods);
  const namespace = kind.resource === 'namespaces' ? '' : chance.of(namespaces);
  const name = chance.of(names);
  const upgrade = chance.one(100);
  const subresource = chance.one(5)
    ? chance.of([...Object.keys(kind.subresources), 'status', 'scale', 'constructor', 'x'])
    : '';
  const path = chance.one(15) ? chance.of(others) : pathOf(kind, method, namespace, name, subresource, chance);
  const body =
    method === 'GET' || method === 'HEAD' || chance.one(30) ? undefined : bodyOf(kind, method, name, namespace, chance);
  return {
    method,
    path,
    headers: headersOf(body, upgrade, chance),
    body,
    kind,
    namespace,
    name,
    subresource,
    upgrade,
  } as Asked;
}

function pathOf(
  kind: Kind,
  method: string,
  namespace: string,
  name: string,
  subresource: string,
  chance: Chance,
): string {
  const base = kind.group === '' ? '/api/v1' : `/apis/${kind.group}/${kind.version}`;
  const scope = kind.namespaced && !chance.one(12) ? `/namespaces/${chance.one(40) ? part(chance) : namespace}` : '';
  const whole =
    method === 'POST'
      ? chance.one(30)
      : method === 'GET'
        ? chance.one(2)
        : method === 'DELETE'
          ? !chance.one(20)
          : !chance.one(30);
  const one = whole || subresource !== '' ? `/${chance.one(40) ? part(chance) : name}` : '';
  const sub = subresource === '' ? '' : `/${subresource}`;
  const rest = subresource === 'proxy' && chance.one(2) ? chance.of(['/', '/a', '/../..', '/a?b=c', '/%00']) : '';
  return `${base}${scope}/${kind.resource}${one}${sub}${rest}${queryOf(chance)}`;
}

/** A segment of a path, encoded or not. */
function part(chance: Chance): string {
  const raw = text(chance).slice(0, 2000);
  return chance.of([
    '%zz',
    '%00',
    '%2e%2e',
    '..',
    '.',
    '%c3%28',
    '',
    ':80',
    'https:a:1',
    raw.replaceAll(/[^\x21-\x7e]|[?#%]/g, (one) => encoded(one)),
  ]);
}

function queryOf(chance: Chance): string {
  if (!chance.one(4)) return '';
  const pairs = Array.from({ length: 1 + chance.below(3) }, () => {
    const name = chance.of(Object.keys(parameters));
    return `${name}=${encoded(chance.of(parameters[name]!))}`;
  });
  return `?${pairs.join(chance.one(50) ? '&&=&%zz&' : '&')}`;
}

function encoded(value: string): string {
  return value.isWellFormed() ? encodeURIComponent(value) : '%ed%a0%80';
}

function headersOf(body: Written | undefined, upgrade: boolean, chance: Chance): Asked['headers'] {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers['content-type'] = body.type;
  if (body?.encoding !== undefined) headers['content-encoding'] = body.encoding;
  if (chance.one(6)) headers.accept = chance.of(accepts);
  if (chance.one(15)) {
    const name = chance.of(Object.keys(odd));
    headers[name] = chance.of(odd[name]!);
  }
  if (upgrade) {
    headers.connection = 'Upgrade';
    headers.upgrade = chance.of(['websocket', 'SPDY/3.1', 'h2c', 'x']);
    headers['sec-websocket-key'] = chance.of(['dGhlIHNhbXBsZSBub25jZQ==', 'x']);
    headers['sec-websocket-version'] = chance.of(['13', '0']);
  }
  return headers;
}
