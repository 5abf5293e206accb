/** Files that say who may come in, what is recorded and what is encrypted: kube-apiserver's own flags, under their names. */
import { type Command, Option } from 'commander';
import { UsageError } from './errors.ts';

export interface ServerFiles {
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

const flags: [string, string, string?][] = [
  ['--authentication-config <file>', 'an AuthenticationConfiguration: OpenID Connect providers, anonymous requests'],
  ['--authentication-token-webhook-config-file <file>', 'a kubeconfig of who else knows bearer tokens'],
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
