/** One question to one webhook (admission.k8s.io `AdmissionReview`) and what its answer means. */
import { isObject, type Status, StatusError, type StatusReason } from '../../../machinery/index.ts';
import type { AdmissionRequest } from '../../registry/context.ts';
import type { ServedResource } from '../../resources.ts';
import type { WebhookClient } from '../../webhooks/index.ts';
import type { AdmissionCounts, WebhookOutcome } from '../counts.ts';
import { describe, typed, type Versioned } from '../dynamic/index.ts';
import type { Hook } from './hooks.ts';

/** What webhooks are asked with. */
export interface Means {
  readonly webhooks: WebhookClient;
  readonly counts: AdmissionCounts;
}

/** It could not be asked, or its answer is none: what `failurePolicy` is about. */
export class CallFailure extends Error {
  override readonly name = 'CallFailure';
}

interface Response {
  readonly uid?: unknown;
  readonly allowed?: unknown;
  readonly status?: Status;
  readonly patch?: unknown;
  readonly patchType?: unknown;
  readonly auditAnnotations?: Record<string, string>;
  readonly warnings?: string[];
}

/**
 * The operations of the patch that it answers with; absent: none.
 * @throws StatusError when it refuses, CallFailure when there is no usable answer.
 */
export async function review(
  means: Means,
  hook: Hook,
  request: AdmissionRequest,
  served: ServedResource,
  seen: Versioned,
  mutating: boolean,
): Promise<readonly unknown[] | undefined> {
  const { clock } = request.registry;
  const began = clock.monotonic();
  const tell = (code: number, rejection?: WebhookOutcome['rejection']) =>
    means.counts.webhook({
      name: hook.webhook.name,
      mutating,
      operation: request.operation,
      seconds: (clock.monotonic() - began) / 1000,
      code,
      ...(rejection && { rejection }),
    });
  try {
    const patch = await ask(means.webhooks, hook, request, served, seen, mutating);
    tell(200);
    return patch;
  } catch (error) {
    const open = hook.webhook.failurePolicy === 'Ignore';
    if (error instanceof CallFailure) tell(unavailable, open ? undefined : 'calling_webhook_error');
    else if (error instanceof Denied) tell(error.code, 'no_error');
    else tell(0, 'apiserver_internal_error');
    throw error;
  } finally {
    request.call.took?.(mutating ? 'mutating-webhook' : 'validating-webhook', clock.monotonic() - began);
  }
}

/** The code of not having been answered. */
const unavailable = 503;

async function ask(
  client: WebhookClient,
  hook: Hook,
  request: AdmissionRequest,
  served: ServedResource,
  seen: Versioned,
  mutating: boolean,
): Promise<readonly unknown[] | undefined> {
  const { webhook } = hook;
  const { registry, call } = request;
  if (call.options.dryRun && !['None', 'NoneOnDryRun'].includes(webhook.sideEffects))
    throw StatusError.badRequest(`admission webhook ${JSON.stringify(webhook.name)} does not support dry run`);
  const failed = (why: string) => new CallFailure(`failed calling webhook ${JSON.stringify(webhook.name)}: ${why}`);
  const version = webhook.admissionReviewVersions.find((one) => one === 'v1' || one === 'v1beta1');
  if (version === undefined) throw failed('webhook does not accept known AdmissionReview versions (v1, v1beta1)');
  const uid = registry.random.uuid();
  const apiVersion = `admission.k8s.io/${version}`;
  const question = {
    kind: 'AdmissionReview',
    apiVersion,
    request: {
      ...describe(request, served, uid),
      object: typed(seen.object, seen.kind),
      oldObject: typed(seen.old, seen.kind),
    },
  };
  const timeout = (webhook.timeoutSeconds ?? 10) * 1000;
  const answer = await client
    .post(registry, { config: webhook.clientConfig, body: question, timeout, signal: call.signal })
    .catch((error: Error) => {
      throw failed(`failed to call webhook: ${error.message}`);
    });
  const response = verified(answer, apiVersion, uid, mutating, (why) =>
    failed(`received invalid webhook response: ${why}`),
  );
  for (const [name, value] of Object.entries(response.auditAnnotations ?? {}))
    call.annotate?.(`${webhook.name}/${name}`, String(value));
  for (const warning of response.warnings ?? []) call.warn(String(warning));
  if (response.allowed !== true) throw denied(webhook.name, response.status);
  if (typeof response.patch !== 'string' || response.patch === '') return undefined;
  if (response.patchType !== undefined && response.patchType !== 'JSONPatch')
    throw failed(`unsupported patch type ${JSON.stringify(response.patchType)}`);
  return patchOf(response.patch, (why) => failed(`received undecodable patch in webhook response: ${why}`));
}

function verified(
  answer: unknown,
  apiVersion: string,
  uid: string,
  mutating: boolean,
  invalid: (why: string) => Error,
): Response {
  const response = isObject(answer) ? (answer.response as Response | undefined) : undefined;
  if (!isObject(response)) throw invalid('webhook response was absent');
  const { patch, patchType } = response as Response;
  const strict = apiVersion === 'admission.k8s.io/v1';
  if (!strict) return response;
  if (response.uid !== uid)
    throw invalid(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`);
  const of = answer as { apiVersion?: unknown; kind?: unknown };
  if (of.apiVersion !== apiVersion || of.kind !== 'AdmissionReview')
    throw invalid(
      `expected webhook response of ${apiVersion}, Kind=AdmissionReview, got ${of.apiVersion}, Kind=${of.kind}`,
    );
  if (!mutating && patch) throw invalid('validating webhook may not return response.patch');
  if (!mutating && patchType !== undefined) throw invalid('validating webhook may not return response.patchType');
  if (mutating && patch && patchType === undefined)
    throw invalid('webhook returned response.patch but not response.patchType');
  if (mutating && !patch && patchType !== undefined)
    throw invalid('webhook returned response.patchType but not response.patch');
  return response;
}

/** The webhook said no. */
class Denied extends StatusError {}

function denied(name: string, status: Status | undefined): StatusError {
  const by = `admission webhook ${JSON.stringify(name)} denied the request`;
  const why = status?.message || status?.reason;
  const code = Math.max(status?.code ?? 400, 400);
  return new Denied(
    (status?.reason ?? '') as StatusReason | '',
    why ? `${by}: ${why}` : `${by} without explanation`,
    status?.details,
    { code },
  );
}

function patchOf(patch: string, invalid: (why: string) => Error): readonly unknown[] {
  let operations: unknown;
  try {
    operations = JSON.parse(Buffer.from(patch, 'base64').toString());
  } catch (error) {
    throw invalid((error as Error).message);
  }
  if (!Array.isArray(operations)) throw invalid('it is not a list of operations');
  return operations;
}
