/** Reads the files that the API server was given, and makes of them what it takes. A file that cannot be keeps it from starting. */
import { load } from 'js-yaml';
import {
  anonymousBy,
  type ApiserverOptions,
  Audit,
  auditPolicyOf,
  authenticationConfigurationOf,
  encryptedStore,
  providersOf,
  RotatingLog,
  type TokenAuthenticator,
  WebhookTokens,
} from '../apiserver/index.ts';
import { Failure, type ServerFiles } from '../cli/index.ts';
import type { Store } from '../store/index.ts';
import { authorizersOf } from './authorization.ts';
import { type Around, lookEvery, remoteOf, textOf, within } from './files.ts';

/** The store, with what is to be encrypted in between. A file that changes is read again within a minute. */
export async function encryptedAs(files: ServerFiles, store: Store, { clock, random, log }: Around) {
  const file = files.encryptionProviderConfig;
  if (file === undefined) return { store, stop: () => {} };
  let text = textOf(file);
  const encrypted = await within(file, () => encryptedStore({ store, configuration: load(text), clock, random }));
  const timer = clock.every(lookEvery, () => {
    try {
      const now = textOf(file);
      if (now === text) return;
      encrypted.reload(load(now));
      text = now;
      log.info({ file }, 'the encryption configuration was read again');
    } catch (err) {
      log.error({ err, file }, 'the encryption configuration cannot be read; it stays as it was');
    }
  });
  return { store: encrypted as Store, stop: () => timer.cancel() };
}

/** Who else is recognised, and what is recorded. `close` after the server. */
export async function serverOptionsOf(files: ServerFiles, { clock, random, log, metrics }: Around) {
  const tokens: TokenAuthenticator[] = [];
  const undo: (() => Promise<void> | void)[] = [];
  let anonymous: ApiserverOptions['anonymous'];
  const { authenticationConfig, authenticationTokenWebhookConfigFile: webhook } = files;
  if (authenticationConfig !== undefined)
    await within(authenticationConfig, async () => {
      const configuration = authenticationConfigurationOf(load(textOf(authenticationConfig)));
      const refused = (issuer: string, reason: string) => log.warn({ issuer, reason }, 'a token was refused');
      tokens.push(...(await providersOf(configuration, { clock, refused })));
      anonymous = anonymousBy(configuration);
    });
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
