/** Loads what asking others takes only when there are others to be asked. */
import type { Authorizer } from './chain.ts';
import type { AuthorizationWebhookOptions } from './webhook/index.ts';

/** Rejects with a TypeError when the connection or a match condition cannot be; `field`: of the match conditions, for the error. */
export async function authorizationWebhook(
  options: AuthorizationWebhookOptions,
  field: string,
): Promise<Authorizer & { close(): void }> {
  const { AuthorizationWebhook } = await import('./webhook/index.ts');
  return new AuthorizationWebhook(options, field);
}
