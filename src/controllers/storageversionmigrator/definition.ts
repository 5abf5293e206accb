/** What a definition of custom resources tells of the migration of its objects, and of the versions that they are stored in. */
import { type CustomResourceDefinition, customResourceDefinitions } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';

const type = 'StorageMigrating';

export async function begin(client: Client, name: string, migration: string, by: string, now: string): Promise<void> {
  const definition = await client.get(customResourceDefinitions, { name });
  const message = `Migration ${migration} is running`;
  await tell(client, definition, by, { status: 'True', reason: 'MigrationRunning', message, now });
}

/** After a success nothing is stored in former versions, unless the definition was changed meanwhile. */
export async function finish(client: Client, name: string, isSuccess: boolean, by: string, now: string): Promise<void> {
  const definition = await client.get(customResourceDefinitions, { name });
  const { metadata, spec, status } = definition;
  const before = status?.conditions?.find((one) => one.type === type) as { observedGeneration?: number } | undefined;
  const isSameAsThen = before?.observedGeneration !== undefined && before.observedGeneration === metadata.generation;
  const stored = spec.versions.find(({ storage }) => storage)!.name;
  const failed = { status: 'False', reason: 'MigrationFailed', message: 'The migration has failed', now };
  if (!isSuccess) return tell(client, definition, by, failed);
  const why = isSameAsThen
    ? 'and the stored versions have been updated'
    : 'but the stored versions have not been updated due to a generation mismatch';
  const told = { status: 'False', reason: 'MigrationSucceeded', message: `The migration has succeeded ${why}`, now };
  await tell(client, definition, by, told, isSameAsThen ? [stored] : undefined);
}

interface Told {
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly now: string;
}

/** With its revision: what it says of a generation must be true of it. */
async function tell(
  client: Client,
  { metadata }: CustomResourceDefinition,
  by: string,
  { status, reason, message, now }: Told,
  storedVersions?: string[],
): Promise<void> {
  const { name, resourceVersion, generation } = metadata;
  const condition = { type, status, reason, message, lastTransitionTime: now, observedGeneration: generation };
  const applied = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name, resourceVersion },
    status: { conditions: [condition], ...(storedVersions && { storedVersions }) },
  };
  await client.apply(customResourceDefinitions, applied as unknown as CustomResourceDefinition, {
    fieldManager: by,
    force: true,
    subresource: 'status',
  });
}
