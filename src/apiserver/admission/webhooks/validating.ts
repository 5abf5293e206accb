import { StatusError } from '../../../machinery/index.ts';
import type { AdmissionRequest, AdmissionStep } from '../../registry/context.ts';
import { isExempt, matches, settled, versionedAs } from '../dynamic/index.ts';
import { type Hook, hooksOf } from './hooks.ts';
import { chosenBy } from './conditions.ts';
import { CallFailure, type Means, review } from './review.ts';

/** All that match are asked at once; the first in order that refuses is what the client hears. */
export function validatingWebhooks(means: Means): AdmissionStep {
  const hooks = hooksOf('validating');
  const ask = async (request: AdmissionRequest, list: readonly Hook[]): Promise<void> => {
    const asked: Promise<void>[] = [];
    let index = 0;
    for (const hook of list) {
      const served = await matches(request, hook.criteria);
      if (served === undefined) continue;
      const seen = await versionedAs(served, request);
      if (!(await settled(() => chosenBy(hook, request, served, seen)))) continue;
      const at = index++;
      asked.push(
        review(means, hook, request, served, seen, false).then(
          () => {},
          (error: unknown) =>
            tolerate(means, error, hook, request, `validating.webhook.admission.k8s.io/round_0_index_${at}`),
        ),
      );
    }
    const failed = (await Promise.allSettled(asked)).find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  };
  return {
    name: 'ValidatingAdmissionWebhook',
    operations: ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'],
    validate(request) {
      const list = hooks.of(request.registry);
      if (list instanceof Promise) return list.then((filled) => (isExempt(request) ? undefined : ask(request, filled)));
      if (list.length > 0 && !isExempt(request)) return ask(request, list);
    },
  };
}

/** A webhook that does not answer refuses, unless it is to be ignored. */
export function tolerate(
  { counts }: Means,
  error: unknown,
  { webhook }: Hook,
  { call }: AdmissionRequest,
  where: string,
): void {
  if (!(error instanceof CallFailure)) throw error;
  if (webhook.failurePolicy !== 'Ignore') throw StatusError.internal(error.message);
  if (call.signal?.aborted) throw StatusError.timeout('request did not complete within requested timeout');
  counts.failedOpen(webhook.name, where.startsWith('mutation'));
  const [prefix, rest] = where.split('/');
  call.annotate?.(`failed-open.${prefix}/${rest}`, webhook.name);
}
