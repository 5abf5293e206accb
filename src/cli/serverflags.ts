/** Files that say who may come in, what is recorded and what is encrypted: kube-apiserver's own flags, under their names. */
import { type Command, Option } from 'commander';
import { UsageError } from './errors.ts';

export interface ServerFiles {
  authorizationConfig?: string;
  /** In order; absent: that of the file above, or Node and RBAC. */
  authorizationMode?: readonly string[];
  authorizationWebhookConfigFile?: string;
  authorizationWebhookVersion: string;
  /** Durations, as they are written: `5m0s`. */
  authorizationWebhookCacheAuthorizedTtl: string;
  authorizationWebhookCacheUnauthorizedTtl: string;
  authenticationConfig?: string;
  authenticationTokenWebhookConfigFile?: string;
  auditPolicyFile?: string;
  auditLogPath?: string;
  /** Megabytes, days and files; 0: without limit. */
  auditLogMaxsize: number;
  auditLogMaxage: number;
  auditLogMaxbackup: number;
  encryptionProviderConfig?: string;
}

export type ServerFlags = { [name in keyof ServerFiles]?: string };

const modes = ['Node', 'RBAC', 'Webhook', 'AlwaysAllow', 'AlwaysDeny'];

const flags: [string, string, string?][] = [
  ['--authentication-config <file>', 'an AuthenticationConfiguration: OpenID Connect providers, anonymous requests'],
  ['--authentication-token-webhook-config-file <file>', 'a kubeconfig of who else knows bearer tokens'],
  ['--authorization-config <file>', 'an AuthorizationConfiguration: who is asked whether somebody may, in order'],
  ['--authorization-mode <modes>', `who is asked, in order, of ${modes.join(', ')}; by default Node,RBAC`],
  ['--authorization-webhook-config-file <file>', 'a kubeconfig of who else says what is allowed'],
  ['--authorization-webhook-version <version>', 'of the SubjectAccessReview that it is asked: v1 or v1beta1 (default)'],
  ['--authorization-webhook-cache-authorized-ttl <duration>', 'how long what it allows is remembered (5m)'],
  ['--authorization-webhook-cache-unauthorized-ttl <duration>', 'how long what it does not is remembered (30s)'],
  ['--audit-policy-file <file>', 'an audit Policy: what is recorded'],
  ['--audit-log-path <file>', 'where it is recorded'],
  ['--audit-log-maxsize <megabytes>', 'of a log before it is put aside', '100'],
  ['--audit-log-maxage <days>', 'that logs put aside are kept; 0: for ever', '0'],
  ['--audit-log-maxbackup <count>', 'of logs put aside; 0: all', '0'],
  ['--encryption-provider-config <file>', 'an EncryptionConfiguration: what is encrypted in the store'],
];

export function addServerFlags(command: Command): Command {
  for (const [usage, description, standard] of flags)
    command.addOption(new Option(usage, description).default(standard));
  return command;
}

export function serverFilesOf(given: ServerFlags): ServerFiles {
  const whole = (name: string, value = '0'): number => {
    if (!/^\d{1,9}$/.test(value)) throw new UsageError(`--audit-log-${name} ${value}: a whole number is expected`);
    return Number(value);
  };
  if ((given.auditPolicyFile === undefined) !== (given.auditLogPath === undefined))
    throw new UsageError('--audit-policy-file and --audit-log-path go together: give both, or neither');
  const { authenticationConfig, authenticationTokenWebhookConfigFile, auditPolicyFile, auditLogPath } = given;
  return {
    ...authorizationOf(given),
    authenticationConfig,
    authenticationTokenWebhookConfigFile,
    auditPolicyFile,
    auditLogPath,
    auditLogMaxsize: whole('maxsize', given.auditLogMaxsize),
    auditLogMaxage: whole('maxage', given.auditLogMaxage),
    auditLogMaxbackup: whole('maxbackup', given.auditLogMaxbackup),
    encryptionProviderConfig: given.encryptionProviderConfig,
  };
}

type Authorization = Pick<ServerFiles, Extract<keyof ServerFiles, `authorization${string}`>>;

function authorizationOf(given: ServerFlags): Authorization {
  const {
    authorizationConfig: config,
    authorizationMode: mode,
    authorizationWebhookConfigFile: webhook,
    authorizationWebhookVersion: version = 'v1beta1',
    authorizationWebhookCacheAuthorizedTtl: authorizedTtl = '5m0s',
    authorizationWebhookCacheUnauthorizedTtl: unauthorizedTtl = '30s',
  } = given;
  const others = Object.keys(given).filter((name) => /^authorization(Mode|Webhook)/.test(name));
  const legacy = others.find((name) => given[name as keyof ServerFlags] !== undefined);
  if (config !== undefined && legacy !== undefined)
    throw new UsageError(
      '--authorization-config says all: leave --authorization-mode and --authorization-webhook-* out, or it',
    );
  const list = mode?.split(',').map((one) => one.trim());
  const odd = list?.find((one) => !modes.includes(one));
  if (odd !== undefined) throw new UsageError(`--authorization-mode ${odd}: expected some of ${modes.join(', ')}`);
  const twice = list?.find((one, at) => list.indexOf(one) !== at);
  if (twice !== undefined) throw new UsageError(`--authorization-mode ${mode}: ${twice} is there twice`);
  if ((list?.includes('Webhook') ?? false) !== (webhook !== undefined))
    throw new UsageError(
      '--authorization-webhook-config-file and --authorization-mode with Webhook go together: give both, or neither',
    );
  return {
    authorizationConfig: config,
    authorizationMode: list,
    authorizationWebhookConfigFile: webhook,
    authorizationWebhookVersion: version,
    authorizationWebhookCacheAuthorizedTtl: authorizedTtl,
    authorizationWebhookCacheUnauthorizedTtl: unauthorizedTtl,
  };
}
