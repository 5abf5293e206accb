/** Makes sure that a container's image is on the node, as its pull policy says. */
import { formatDuration } from './backoff.ts';
import { type Container, type Secret, secrets } from './kinds.ts';
import { type Image, ImageError, type RegistryAuth } from './runtime/services.ts';
import type { Work } from './work.ts';

/** Why a container waits for its image; `retryAt` in milliseconds since the epoch. */
export class PullError extends Error {
  readonly reason: string;
  readonly retryAt: number | undefined;
  /** The user was told before. */
  readonly known: boolean;
  constructor(reason: string, message: string, retryAt?: number, known = false) {
    super(message);
    this.name = 'PullError';
    this.reason = reason;
    this.retryAt = retryAt;
    this.known = known;
  }
}

/** Milliseconds for which a failed pull is told as such, before it is told as a back-off. */
const shown = 1000;

const lastErrors = new WeakMap<object, Map<string, string>>();

/** A container, or a volume of the pod. */
type Asking = Container | (Pick<Container, 'image' | 'imagePullPolicy'> & { name?: undefined });

/** Rejects with `PullError`. */
export async function ensureImage(work: Work, asking: Asking): Promise<Image> {
  const container = asking.name === undefined ? undefined : asking;
  const { images } = work.shared.context;
  const name = asking.image ?? '';
  const policy = policyOf(asking);
  if (policy !== 'Always') {
    const present = await images.imageStatus(name);
    if (present) {
      work.event(
        'Normal',
        'Pulled',
        `Container image "${name}" already present on machine and can be accessed by the pod`,
        container,
      );
      return present;
    }
    if (policy === 'Never') {
      const message = `Container image "${name}" is not present with pull policy of Never`;
      work.event('Warning', 'ErrImageNeverPull', message, container);
      throw new PullError('ErrImageNeverPull', message);
    }
  }
  return pull(work, container, name);
}

/** `Always` for `latest` or no tag, else `IfNotPresent`. */
export function policyOf({
  image = '',
  imagePullPolicy,
}: Pick<Container, 'image' | 'imagePullPolicy'>): 'Always' | 'IfNotPresent' | 'Never' {
  if (imagePullPolicy) return imagePullPolicy;
  const last = image.slice(image.lastIndexOf('/') + 1);
  return !last.includes('@') && (!last.includes(':') || last.endsWith(':latest')) ? 'Always' : 'IfNotPresent';
}

async function pull(work: Work, container: Container | undefined, name: string): Promise<Image> {
  const { pullBackoff, context } = work.shared;
  const key = `${work.uid}_${name}`;
  const memory = lastErrors.get(pullBackoff) ?? new Map<string, string>();
  lastErrors.set(pullBackoff, memory);
  const until = pullBackoff.untilSinceUpdate(key);
  if (until !== undefined) {
    const told = container && work.waiting.get(container.name);
    const failedAt = until - pullBackoff.get(key);
    if (told?.reason === 'ErrImagePull' && context.clock.now() < failedAt + shown) {
      throw new PullError(told.reason, told.message, failedAt + shown, true);
    }
    const message = `Back-off pulling image "${name}"`;
    if (told?.reason !== 'ImagePullBackOff') work.event('Normal', 'BackOff', message, container);
    const before = memory.get(key);
    throw new PullError('ImagePullBackOff', before ? `${message}: ${before}` : message, until);
  }
  work.event('Normal', 'Pulling', `Pulling image "${name}"`, container);
  const began = context.clock.monotonic();
  try {
    const image = await context.images.pullImage(name, { auths: await pullAuths(work), signal: work.signal });
    const took = formatDuration(Math.round(context.clock.monotonic() - began));
    const size = `Image size: ${image.size} bytes.`;
    work.event(
      'Normal',
      'Pulled',
      `Successfully pulled image "${name}" in ${took} (${took} including waiting). ${size}`,
      container,
    );
    pullBackoff.reset(key);
    memory.delete(key);
    return image;
  } catch (error) {
    if (work.signal.aborted) throw error;
    const reason = error instanceof ImageError ? error.reason : 'ErrImagePull';
    const why = (error as Error).message;
    work.event('Warning', 'Failed', `Failed to pull image "${name}": ${why}`, container);
    pullBackoff.next(key, context.clock.now());
    memory.set(key, `${reason}: ${why}`);
    throw new PullError(reason, why, context.clock.now() + pullBackoff.get(key));
  }
}

/** Credentials of the pod's pull secrets; those that are missing are told and passed over. */
async function pullAuths(work: Work): Promise<RegistryAuth[]> {
  const auths: RegistryAuth[] = [];
  const missing: string[] = [];
  const { namespace } = work.pod.metadata;
  for (const { name = '' } of work.pod.spec?.imagePullSecrets ?? []) {
    try {
      auths.push(...authsOf(await work.shared.context.client.get(secrets, { name, namespace })));
    } catch {
      missing.push(name);
    }
  }
  if (missing.length > 0) {
    const message = `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`;
    work.event('Warning', 'FailedToRetrieveImagePullSecret', message);
  }
  return auths;
}

/** What a `kubernetes.io/dockerconfigjson` or `dockercfg` Secret holds. Throws when it is not JSON. */
export function authsOf(secret: Secret): RegistryAuth[] {
  const text = (field: string) => Buffer.from(secret.data?.[field] ?? '', 'base64').toString();
  const modern = text('.dockerconfigjson');
  const entries = modern ? (JSON.parse(modern).auths ?? {}) : JSON.parse(text('.dockercfg') || '{}');
  return Object.entries<any>(entries).map(([server, entry]) => {
    const [username, ...rest] = Buffer.from(entry.auth ?? '', 'base64')
      .toString()
      .split(':');
    return {
      server,
      username: entry.username || username || undefined,
      password: entry.password || rest.join(':') || undefined,
      identityToken: entry.identitytoken || undefined,
    };
  });
}
