/** Conversion by a webhook (ConversionReview): what it is sent, what of its answer is believed, and how its failures read. */
import type { Kind, WebhookConversion } from '../../api/index.ts';
import { type AnyObject, cloneJson, isObject, StatusError, validateLabels } from '../../machinery/index.ts';
import type { Registry } from '../registry/index.ts';
import type { WebhookClient } from '../webhooks/index.ts';
import type { WebhookCaller } from './served.ts';

const timeout = 30_000;
/** Objects of one review. */
const atOnce = 500;

/** Objects are sent in reviews of at most 500. Only labels and annotations of their metadata may come back changed. */
export function conversionBy(client: WebhookClient, registry: Registry): WebhookCaller {
  return async (webhook, objects, apiVersion, kind) => {
    const converted: AnyObject[] = [];
    for (let i = 0; i < objects.length; i += atOnce)
      converted.push(...(await review(client, registry, webhook, objects.slice(i, i + atOnce), apiVersion, kind)));
    return converted;
  };
}

async function review(
  client: WebhookClient,
  registry: Registry,
  { clientConfig = {}, conversionReviewVersions = [] }: WebhookConversion,
  objects: readonly AnyObject[],
  apiVersion: string,
  kind: Pick<Kind, 'group' | 'kind'>,
): Promise<AnyObject[]> {
  const told = `conversion webhook for ${gvkOf(objects[0]!)}`;
  const fail = (what: string) => new StatusError('', `${told} ${what}`);
  const version = conversionReviewVersions.find((one) => one === 'v1' || one === 'v1beta1');
  if (version === undefined) throw fail('failed: no supported conversion review versions');
  const uid = registry.random.uuid();
  const reviewVersion = `apiextensions.k8s.io/${version}`;
  const body = {
    kind: 'ConversionReview',
    apiVersion: reviewVersion,
    request: { uid, desiredAPIVersion: apiVersion, objects },
  };
  let answer: unknown;
  try {
    answer = await client.post(registry, { config: clientConfig, body, timeout });
  } catch (error) {
    throw fail(`failed: ${(error as Error).message}`);
  }
  const problem = problemOf(answer, reviewVersion, uid);
  if (problem !== undefined) throw fail(`failed: ${problem}`);
  const { convertedObjects = [] } = (answer as { response: { convertedObjects?: unknown[] } }).response;
  if (convertedObjects.length !== objects.length)
    throw fail(`returned ${convertedObjects.length} objects, expected ${objects.length}`);
  return objects.map((object, i) => {
    const result = believed(object, convertedObjects[i], apiVersion, kind.kind);
    if (typeof result === 'string') throw fail(`returned invalid converted object at index ${i}: ${result}`);
    return result;
  });
}

function gvkOf({ apiVersion = '', kind }: AnyObject): string {
  return `${apiVersion}, Kind=${kind}`;
}

function problemOf(answer: unknown, reviewVersion: string, uid: string): string | undefined {
  if (!isObject(answer)) return 'the answer is not a ConversionReview';
  if (reviewVersion.endsWith('/v1') && (answer.apiVersion !== reviewVersion || answer.kind !== 'ConversionReview'))
    return `expected webhook response of ${reviewVersion}, Kind=ConversionReview, got ${answer.apiVersion}, Kind=${answer.kind}`;
  const { response } = answer;
  if (!isObject(response)) return 'no response provided';
  if (reviewVersion.endsWith('/v1') && response.uid !== uid)
    return `expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`;
  const { status = '', message } = response.result ?? {};
  if (status !== 'Success') return message || `response.result.status was '${status}', not 'Success'`;
  return response.convertedObjects === undefined || Array.isArray(response.convertedObjects)
    ? undefined
    : 'response.convertedObjects is not a list';
}

/** The converted object with the metadata of the original, or what is wrong with it. */
function believed(original: AnyObject, converted: unknown, apiVersion: string, kind: string): AnyObject | string {
  if (!isObject(converted)) return 'it is no object';
  if (converted.apiVersion !== apiVersion)
    return `invalid groupVersion (expected ${apiVersion}, received ${converted.apiVersion ?? ''})`;
  if (converted.kind !== kind) return `invalid kind (expected ${kind}, received ${converted.kind ?? ''})`;
  const { metadata } = converted;
  if (!isObject(metadata)) return 'missing metadata in converted object';
  for (const field of ['name', 'namespace', 'uid'] as const)
    if ((metadata[field] ?? '') !== (original.metadata[field] ?? ''))
      return `must have the same ${field === 'uid' ? 'UID' : field}: ${original.metadata[field] ?? ''} != ${metadata[field] ?? ''}`;
  const restored = cloneJson(original.metadata);
  for (const field of ['labels', 'annotations'] as const) {
    const given = metadata[field];
    if (given === undefined || given === null) {
      delete restored[field];
      continue;
    }
    if (!isObject(given)) return `invalid metadata.${field} in converted object`;
    for (const [key, value] of Object.entries(given))
      if (typeof value !== 'string') return `metadata.${field}[${key}] must be a string in converted object`;
    restored[field] = given;
  }
  const [problem] = validateLabels(restored.labels, 'metadata.labels');
  if (problem !== undefined) return `${problem.field}: ${problem.message}`;
  return { ...converted, metadata: restored } as unknown as AnyObject;
}
