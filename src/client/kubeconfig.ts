import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { load } from 'js-yaml';
import { isObject } from '../machinery/index.ts';
import type { ServerOptions } from './https/transport.ts';

/** Where to find a server and who to be there: what `httpsClient` needs but for the clock. */
export interface ServerConfig extends Omit<ServerOptions, 'clock'> {
  /** The namespace that is meant when none is named. */
  namespace: string;
  /** The name of the context it came from; '' inside a cluster. */
  context: string;
}

export interface KubeconfigOptions {
  /** Absent: the file's current context. */
  context?: string;
  /** Relative file names start here; absent: the working directory. */
  directory?: string;
  /** What the file is called in errors. */
  name?: string;
}

export class KubeconfigError extends Error {
  constructor(file: string, what: string, options?: ErrorOptions) {
    super(`kubeconfig ${file}: ${what}`, options);
    this.name = 'KubeconfigError';
  }
}

/** The largest kubeconfig that is read, in bytes. */
const sizeLimit = 4 << 20;

/** Reads a kubeconfig file. */
export function loadKubeconfig(file: string, context?: string): ServerConfig {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new KubeconfigError(file, `cannot be read: ${(error as Error).message}`, { cause: error });
  }
  return parseKubeconfig(text, { context, directory: dirname(resolve(file)), name: file });
}

/**
 * Chooses a context and gathers what it refers to. Programs that hand out credentials (`exec`, `auth-provider`) are not
 * run: such a user is refused, with what to do instead.
 */
export function parseKubeconfig(
  text: string,
  { context, directory = '.', name = 'text' }: KubeconfigOptions = {},
): ServerConfig {
  const config = parse(text, name);
  const chosen = context ?? config['current-context'];
  if (!chosen) throw new KubeconfigError(name, 'has no current-context: name a context');
  const {
    cluster: clusterName,
    user: userName,
    namespace = 'default',
  } = entry(config, 'contexts', 'context', chosen, name);
  const cluster = entry(config, 'clusters', 'cluster', clusterName, name);
  const user = userName ? entry(config, 'users', 'user', userName, name) : {};
  if (typeof cluster.server !== 'string') throw new KubeconfigError(name, `cluster ${clusterName} has no server`);
  if (cluster['proxy-url'])
    throw new KubeconfigError(name, `cluster ${clusterName} has a proxy-url, which is not supported: remove it`);
  refusePrograms(user, userName, name);
  const data = (of: Record<string, any>, field: string) => contentOf(of, field, directory, name);
  return {
    server: cluster.server,
    ca: data(cluster, 'certificate-authority'),
    tlsServerName: cluster['tls-server-name'],
    insecureSkipTlsVerify: cluster['insecure-skip-tls-verify'],
    cert: data(user, 'client-certificate'),
    key: data(user, 'client-key'),
    ...tokenOf(user, directory),
    namespace,
    context: chosen,
  };
}

/** From inside a Pod: the service account's own files. Undefined where there are none. */
export function inClusterConfig(
  env: Record<string, string | undefined>,
  directory = '/var/run/secrets/kubernetes.io/serviceaccount',
): ServerConfig | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (!host || !port) return undefined;
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: readFileSync(join(directory, 'ca.crt')),
    tokenProvider: tokenFile(join(directory, 'token')),
    namespace: readFileSync(join(directory, 'namespace'), 'utf8').trim(),
    context: '',
  };
}

function parse(text: string, name: string): Record<string, any> {
  if (text.length > sizeLimit) throw new KubeconfigError(name, `is longer than ${sizeLimit} bytes`);
  let config: unknown;
  try {
    config = load(text);
  } catch (error) {
    throw new KubeconfigError(name, `is not YAML: ${(error as Error).message}`, { cause: error });
  }
  if (!isObject(config)) throw new KubeconfigError(name, 'is not a Config');
  if (config.kind !== undefined && config.kind !== 'Config')
    throw new KubeconfigError(name, `is a ${config.kind}, not a Config`);
  return config;
}

function entry(
  config: Record<string, any>,
  list: string,
  field: string,
  wanted: string,
  name: string,
): Record<string, any> {
  const entries: unknown = config[list];
  const all = Array.isArray(entries) ? entries.filter(isObject) : [];
  const found = all.find((each) => each.name === wanted);
  if (found !== undefined) return isObject(found[field]) ? found[field] : {};
  const there = all.map((each) => each.name).join(', ') || 'none';
  throw new KubeconfigError(name, `has no ${field} ${JSON.stringify(wanted)}; there is: ${there}`);
}

function refusePrograms(user: Record<string, any>, userName: string, name: string): void {
  for (const field of ['exec', 'auth-provider']) {
    if (user[field] === undefined) continue;
    const program = user.exec?.command ? ` (${user.exec.command})` : '';
    throw new KubeconfigError(
      name,
      `user ${userName} gets its credentials from a program by ${field}${program}, which is not supported: use a token or a client certificate`,
    );
  }
  if (user.username)
    throw new KubeconfigError(name, `user ${userName} has a password, which Kubernetes no longer accepts: use a token`);
}

/** The field's `-data`, else the content of the file that it names. */
function contentOf(of: Record<string, any>, field: string, directory: string, name: string): Buffer | undefined {
  const data: unknown = of[`${field}-data`];
  if (data) return Buffer.from(String(data), 'base64');
  if (!of[field]) return undefined;
  const file = resolve(directory, String(of[field]));
  try {
    return readFileSync(file);
  } catch (error) {
    throw new KubeconfigError(name, `${field} ${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function tokenOf(user: Record<string, any>, directory: string): Pick<ServerConfig, 'token' | 'tokenProvider'> {
  if (user.tokenFile) return { tokenProvider: tokenFile(resolve(directory, user.tokenFile)) };
  return user.token ? { token: String(user.token) } : {};
}

/** Read again for each request: tokens in files are renewed under way. */
function tokenFile(file: string): () => string {
  return () => readFileSync(file, 'utf8').trim();
}
