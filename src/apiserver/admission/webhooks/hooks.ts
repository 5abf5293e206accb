import type { MutatingWebhookConfiguration, ValidatingWebhookConfiguration } from '../../../api/index.ts';
import type { AnyObject } from '../../../machinery/index.ts';
import { type Criteria, Followed } from '../dynamic/index.ts';

export type Webhook = NonNullable<MutatingWebhookConfiguration['webhooks']>[number];

export interface Hook {
  readonly configuration: string;
  /** Stays the same as long as the configuration does. */
  readonly uid: string;
  readonly webhook: Webhook;
  readonly criteria: Criteria;
}

/** In order: by the name of their configuration, then as that lists them. */
export function hooksOf(sort: 'mutating' | 'validating'): Followed<readonly Hook[]> {
  const resource = `${sort}webhookconfigurations`;
  return new Followed({ group: 'admissionregistration.k8s.io', version: 'v1', resource }, (objects) =>
    (objects as AnyObject[] as (MutatingWebhookConfiguration & ValidatingWebhookConfiguration)[]).flatMap(
      ({ metadata, webhooks = [] }) =>
        (webhooks as Webhook[]).map((webhook) => ({
          configuration: metadata.name!,
          uid: `${metadata.name}/${webhook.name}`,
          webhook,
          criteria: { ...webhook } as Criteria,
        })),
    ),
  );
}
