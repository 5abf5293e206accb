/**
 * Custom resource definitions: what is stored of them is served like any built-in kind. It promises that a definition takes effect before its
 * writer is answered, that stored objects are seen as the schema and version asked for has them, and that instances go before their definition.
 * Verbs, watches and discovery it leaves to the rest of the server, which see a `Kind` like any other.
 */
import { Definitions, type DefinitionsOptions } from './definitions.ts';

export { Definitions };
export { withRules } from './checkrules.ts';
export { conversionBy } from './conversion.ts';
export type { WebhookCaller } from './served.ts';

/** Resolves once everything that is stored is served. */
export async function followDefinitions(options: DefinitionsOptions): Promise<Definitions> {
  const { resources } = options.registry;
  const served = resources.find('apiextensions.k8s.io', 'v1', 'customresourcedefinitions');
  if (served === undefined) throw new Error('customresourcedefinitions are not served');
  return new Definitions(options, served, await resources.cache(served));
}
