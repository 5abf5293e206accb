/** Reads the files that the API server was given, and makes of them what it takes. A file that cannot be keeps it from starting. */
import { load } from 'js-yaml';
import {
  type ApiserverOptions,
  Audit,
  auditPolicyOf,
  type EncryptedStore,
  encryptedStore,
  RotatingLog,
  type TokenAuthenticator,
  WebhookTokens,
} from '../apiserver/index.ts';
import { Failure, type ServerFiles } from '../cli/index.ts';
import type { Store } from '../store/index.ts';
import { authenticationOf } from './authentication.ts';
import { authorizersOf } from './authorization.ts';
import { type Around, remoteOf, textOf, within } from './files.ts';
import { followFile } from './following.ts';

/** The store, with what is to be encrypted in between. A file that changes is read again within a minute. */
export async function encryptedAs(files: ServerFiles, store: Store, around: Around) {
  const file = files.encryptionProviderConfig;
  if (file === undefined) return { store, stop: () => {} };
  const { clock, random, metrics } = around;
  let encrypted: EncryptedStore | undefined;
  const take = async (configuration: unknown) => {
    if (encrypted === undefined) encrypted = await encryptedStore({ store, configuration, clock, random, metrics });
    else encrypted.reload(configuration);
  };
  const stop = await followFile({ file, of: 'encryption', take }, around);
  return { store: encrypted! as Store, stop };
}

/** Who else is recognised, and what is recorded. `close` after the server. */
export async function serverOptionsOf(files: ServerFiles, { clock, random, log, metrics }: Around) {
  const tokens: TokenAuthenticator[] = [];
  const undo: (() => Promise<void> | void)[] = [];
  let anonymous: ApiserverOptions['anonymous'];
  const { authenticationConfig, authenticationTokenWebhookConfigFile: webhook } = files;
  if (authenticationConfig !== undefined) {
    const configured = await authenticationOf(authenticationConfig, { clock, random, log, metrics });
    tokens.push(configured.tokens);
    anonymous = configured.anonymous;
    undo.push(configured.close);
  }
  if (webhook !== undefined)
    await within(webhook, async () => {
      const remote = remoteOf(webhook);
      const failed = (err: Error) => log.error({ err }, 'the webhook for tokens did not answer');
      const asked = new WebhookTokens({ remote, clock, failed });
      tokens.push(asked);
      undo.push(() => asked.close());
    });
  const authorizers = await authorizersOf(files, { clock, random, log, metrics });
  undo.push(authorizers.close);
  const audit = auditOf(files, { clock, random, log, metrics });
  if (audit !== undefined) undo.push(audit.close);
  const options: Pick<ApiserverOptions, 'tokens' | 'anonymous' | 'audit' | 'authorizers'> = {
    tokens,
    anonymous,
    audit: audit?.audit,
    authorizers: authorizers.current,
  };
  return {
    options,
    close: async () => {
      for (const step of undo) await step();
    },
  };
}

function auditOf(files: ServerFiles, { clock, random, log, metrics }: Around) {
  const { auditPolicyFile, auditLogPath: path } = files;
  if (auditPolicyFile === undefined || path === undefined) return undefined;
  try {
    const policy = auditPolicyOf(load(textOf(auditPolicyFile)));
    const lost = metrics.counter('apiserver_audit_error_total', 'Events that could not be recorded', ['plugin']);
    const file = new RotatingLog({
      path,
      maxSize: files.auditLogMaxsize || Number.POSITIVE_INFINITY,
      maxAge: files.auditLogMaxage,
      maxBackups: files.auditLogMaxbackup,
      clock,
      failed: (err) => {
        lost.with('log').add();
        log.error({ err }, 'the audit log cannot be written');
      },
    });
    return {
      audit: new Audit({ policy, write: (line) => file.write(line), clock, random, metrics }),
      close: () => file.close(),
    };
  } catch (error) {
    throw new Failure(`${auditPolicyFile}: ${(error as Error).message}`, error);
  }
}
