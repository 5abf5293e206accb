/** A request as the chain sees it: who, which verb, which resource; however it arrived. */
import { cause, type StatusCause, StatusError, utf8Length } from '../machinery/index.ts';

export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export type RequestVerb =
  | 'get'
  | 'list'
  | 'watch'
  | 'create'
  | 'update'
  | 'patch'
  | 'delete'
  | 'deletecollection'
  // the verbs of paths that are no resources
  | 'post'
  | 'put'
  | 'head'
  | 'options';

/** Where a path leads. Shapes and rules follow apiserver's `RequestInfo`. */
export interface RequestInfo {
  readonly path: string;
  verb: RequestVerb;
  readonly isResource: boolean;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** What follows a `proxy` subresource. */
  readonly rest: string;
  /** Of a list, watch or deletion of a collection. */
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

const methodVerbs: Record<string, RequestVerb> = {
  __proto__: null as never,
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Takes a method and a path (without query) apart. Never throws on an unknown path: it is then no resource. */
export function requestInfoOf(method: string, path: string, query: URLSearchParams | undefined): RequestInfo {
  const parts = path.split('/');
  const nonResource = (): RequestInfo => ({
    path,
    verb: method.toLowerCase() as RequestVerb,
    isResource: false,
    group: '',
    version: '',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
    rest: '',
  });
  // ['', 'api', 'v1', …] or ['', 'apis', group, version, …]
  let at: number;
  let group = '';
  let version: string;
  if (parts[1] === 'api' && parts.length > 3) {
    version = parts[2]!;
    at = 3;
  } else if (parts[1] === 'apis' && parts.length > 4) {
    group = parts[2]!;
    version = parts[3]!;
    at = 4;
  } else return nonResource();

  let deprecatedWatch = false;
  if (parts[at] === 'watch' && parts.length > at + 1) {
    deprecatedWatch = true;
    at++;
  }
  let namespace = '';
  let resource = parts[at]!;
  let name = '';
  let subresource = '';
  let restAt = at + 3;
  if (resource === 'namespaces' && parts.length > at + 1 && parts[at + 1] !== '') {
    namespace = decode(parts[at + 1]!);
    const inner = parts[at + 2];
    if (inner !== undefined && inner !== '' && inner !== 'status' && inner !== 'finalize') {
      resource = inner;
      name = decode(parts[at + 3] ?? '');
      subresource = parts[at + 4] ?? '';
      restAt = at + 5;
    } else {
      name = namespace;
      subresource = inner ?? '';
    }
  } else {
    name = decode(parts[at + 1] ?? '');
    subresource = parts[at + 2] ?? '';
  }
  if (resource === '') return nonResource();
  let verb = methodVerbs[method];
  // other methods have no verb here, but what a proxy leads to may know them
  if (verb === undefined && subresource === 'proxy') verb = method.toLowerCase() as RequestVerb;
  if (verb === undefined) return { ...nonResource(), isResource: true, group, version, resource };
  if (name === '' && verb === 'get') verb = isTrue(query?.get('watch')) ? 'watch' : 'list';
  else if (name === '' && verb === 'delete') verb = 'deletecollection';
  else if (deprecatedWatch && verb === 'get') verb = 'watch';
  // a watch on one name
  else if (verb === 'get' && subresource === '' && isTrue(query?.get('watch'))) verb = 'watch';
  const rest = parts.length > restAt ? `/${parts.slice(restAt).join('/')}` : '';
  const isOfMany = verb === 'list' || verb === 'watch' || verb === 'deletecollection';
  const fieldSelector = isOfMany && name === '' ? query?.get('fieldSelector') : undefined;
  const labelSelector = isOfMany && name === '' ? query?.get('labelSelector') : undefined;
  return {
    path,
    verb,
    isResource: true,
    group,
    version,
    resource,
    subresource,
    namespace,
    name,
    rest,
    ...(fieldSelector && { fieldSelector }),
    ...(labelSelector && { labelSelector }),
  };
}

function decode(part: string): string {
  if (!part.includes('%')) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    throw StatusError.badRequest(`the path segment ${JSON.stringify(part)} is not valid percent-encoding`);
  }
}

export function isTrue(value: string | null | undefined): boolean {
  return value === 'true' || value === '1' || value === '';
}

/** The options of every verb, as query parameters or a DeleteOptions body give them. */
export interface RequestOptions {
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  resourceVersionMatch?: string;
  allowWatchBookmarks?: boolean;
  sendInitialEvents?: boolean;
  timeoutSeconds?: number;
  dryRun?: boolean;
  fieldManager?: string;
  fieldValidation?: 'Ignore' | 'Warn' | 'Strict';
  force?: boolean;
  gracePeriodSeconds?: number;
  propagationPolicy?: string;
  orphanDependents?: boolean;
  preconditions?: { uid?: string; resourceVersion?: string };
}

/** Reads the options of a query; a value that cannot be is a `BadRequest` that names it. */
export function optionsFromQuery(query: URLSearchParams): RequestOptions {
  const options: RequestOptions = {};
  for (const [name, value] of query) {
    const read = readers[name];
    if (read !== undefined) read(options, value);
  }
  return options;
}

const readers: Record<string, (options: RequestOptions, value: string) => void> = {
  __proto__: null as never,
  labelSelector: (options, value) => void (options.labelSelector = value),
  fieldSelector: (options, value) => void (options.fieldSelector = value),
  limit: (options, value) => void (options.limit = integer('limit', value)),
  continue: (options, value) => void (options.continue = value),
  resourceVersion: (options, value) => void (options.resourceVersion = value),
  resourceVersionMatch: (options, value) => void (options.resourceVersionMatch = value),
  allowWatchBookmarks: (options, value) => void (options.allowWatchBookmarks = isTrue(value)),
  sendInitialEvents: (options, value) => void (options.sendInitialEvents = isTrue(value)),
  timeoutSeconds: (options, value) => void (options.timeoutSeconds = integer('timeoutSeconds', value)),
  fieldManager: (options, value) => void (options.fieldManager = value),
  force: (options, value) => void (options.force = isTrue(value)),
  gracePeriodSeconds: (options, value) => void (options.gracePeriodSeconds = integer('gracePeriodSeconds', value)),
  propagationPolicy: (options, value) => void (options.propagationPolicy = value),
  orphanDependents: (options, value) => void (options.orphanDependents = isTrue(value)),
  dryRun: (options, value) => {
    if (value !== 'All')
      throw StatusError.badRequest(`invalid dryRun: ${JSON.stringify(value)}: the one supported value is "All"`);
    options.dryRun = true;
  },
  fieldValidation: (options, value) => {
    if (value === '') return;
    if (value !== 'Ignore' && value !== 'Warn' && value !== 'Strict')
      throw StatusError.badRequest(
        `invalid fieldValidation: ${JSON.stringify(value)}: supported values: "Ignore", "Warn", "Strict"`,
      );
    options.fieldValidation = value;
  },
};

function integer(name: string, value: string): number {
  const read = Number(value);
  if (value.trim() === '' || !Number.isSafeInteger(read))
    throw StatusError.badRequest(`${name}: ${JSON.stringify(value)} is not an integer`);
  return read;
}

const managerLimit = 128;
const optionKinds: Partial<Record<RequestVerb, string>> = {
  create: 'CreateOptions',
  update: 'UpdateOptions',
  patch: 'PatchOptions',
};

/** Of a write: refuses the name of a manager that is too long, or that cannot be printed. */
export function checkFieldManager(verb: RequestVerb, { fieldManager }: RequestOptions): void {
  const kind = optionKinds[verb];
  if (!fieldManager || kind === undefined) return;
  const causes: StatusCause[] = [];
  if (utf8Length(fieldManager) > managerLimit) causes.push(cause.tooLong('fieldManager', managerLimit));
  const odd = [...fieldManager].find((one) => one !== ' ' && /[\p{C}\p{Z}]/u.test(one));
  if (odd !== undefined)
    causes.push(
      cause.invalid(
        'fieldManager',
        fieldManager,
        `should only contain printable characters, not ${JSON.stringify(odd)}`,
      ),
    );
  if (causes.length > 0) throw StatusError.invalid({ group: 'meta.k8s.io', kind }, '', causes);
}
