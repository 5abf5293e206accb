/** Who is asked whether somebody may: as flags say it, or as a file does, which is read again when it changes. */
import {
  authorizationConfigurationOf,
  authorizationWebhook,
  type AuthorizerConfiguration,
  type ConfiguredAuthorizer,
} from '../apiserver/index.ts';
import { Failure, type ServerFiles } from '../cli/index.ts';
import { parseGoDuration } from '../machinery/index.ts';
import { type Around, remoteOf, within } from './files.ts';
import { followFile } from './following.ts';

export interface Authorizers {
  /** Undefined: as it is without any configuration. */
  readonly current: (() => readonly ConfiguredAuthorizer[]) | undefined;
  close(): void;
}

interface Built {
  readonly list: readonly ConfiguredAuthorizer[];
  close(): void;
}

export async function authorizersOf(files: ServerFiles, around: Around): Promise<Authorizers> {
  const { authorizationConfig: file } = files;
  if (file !== undefined) return followed(file, around);
  const configured = byFlags(files);
  if (configured === undefined) return { current: undefined, close: () => {} };
  const built = await within(files.authorizationWebhookConfigFile ?? '--authorization-mode', () =>
    build(configured, around),
  );
  return { current: () => built.list, close: built.close };
}

async function followed(file: string, around: Around): Promise<Authorizers> {
  let built: Built | undefined;
  let required: readonly string[] = [];
  const stop = await followFile(
    {
      file,
      of: 'authorization',
      async take(content) {
        const next = authorizationConfigurationOf(content);
        const missing = required.filter((type) => !next.some((one) => one.type === type));
        if (missing.length > 0)
          throw new TypeError(
            `authorizers: ${missing.join(', ')}: only those of the type Webhook can go while the server runs; start it again`,
          );
        const old = built;
        built = await build(next, around);
        if (old === undefined) required = next.map(({ type }) => type).filter((type) => type !== 'Webhook');
        old?.close();
      },
    },
    around,
  );
  return {
    current: () => built!.list,
    close() {
      stop();
      built!.close();
    },
  };
}

/** Rejects with what is wrong; then nothing is left open. */
async function build(configured: readonly AuthorizerConfiguration[], around: Around): Promise<Built> {
  const { clock, random, log, metrics } = around;
  const open: { close(): void }[] = [];
  const close = () => {
    for (const one of open) one.close();
  };
  try {
    const list: ConfiguredAuthorizer[] = [];
    for (const [at, { type, name, webhook }] of configured.entries()) {
      if (webhook === undefined) {
        list.push({ type, name });
        continue;
      }
      const field = `authorizers[${at}].webhook`;
      const remote = connectionOf(`${field}.connectionInfo.kubeConfigFile`, webhook.kubeConfigFile);
      const failed = (err: Error) => log.error({ err, name }, 'the authorization webhook did not answer');
      const authorizer = await authorizationWebhook(
        { name, configuration: webhook, remote, clock, random, metrics, failed },
        `${field}.matchConditions`,
      );
      open.push(authorizer);
      list.push({ type, name, authorizer });
    }
    return { list, close };
  } catch (error) {
    close();
    throw error;
  }
}

function connectionOf(field: string, file: string) {
  try {
    return remoteOf(file);
  } catch (error) {
    throw new TypeError(`${field}: ${file}: ${(error as Error).message}`, { cause: error });
  }
}

/** Undefined: no flag says anything. */
function byFlags(files: ServerFiles): AuthorizerConfiguration[] | undefined {
  const { authorizationMode: modes, authorizationWebhookConfigFile: kubeConfigFile = '' } = files;
  return modes?.map((mode): AuthorizerConfiguration => {
    const type = mode as AuthorizerConfiguration['type'];
    if (type !== 'Webhook') return { type, name: mode.toLowerCase() };
    const { authorizationWebhookVersion: version } = files;
    if (version !== 'v1' && version !== 'v1beta1')
      throw new Failure(`--authorization-webhook-version ${version}: v1 or v1beta1 is expected`);
    return {
      type,
      name: 'default',
      webhook: {
        authorizedTtl: ttl('authorized', files.authorizationWebhookCacheAuthorizedTtl),
        unauthorizedTtl: ttl('unauthorized', files.authorizationWebhookCacheUnauthorizedTtl),
        timeout: 30_000,
        version,
        failurePolicy: 'NoOpinion',
        kubeConfigFile,
        matchConditions: [],
      },
    };
  });
}

function ttl(of: string, text: string): number {
  const parsed = parseGoDuration(text);
  if (parsed === undefined || parsed < 0)
    throw new Failure(`--authorization-webhook-cache-${of}-ttl ${text}: a duration is expected, such as 5m or 30s`);
  return parsed;
}
