/** What every subresource works with. */
import type { ServiceAccountTokens } from '../authn/index.ts';
import type { Registry } from '../registry/context.ts';

export interface SubresourceContext {
  readonly registry: Registry;
  readonly tokens: ServiceAccountTokens;
}
