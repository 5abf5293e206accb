import { cause, type StatusCause, subdomainProblems } from '../../../machinery/index.ts';
import { ageColumn, integer, nameColumn } from '../../columns.ts';
import type { MutatingWebhookConfiguration, ValidatingWebhookConfiguration } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, named, oneOf, required, unique, validateSelector, within } from '../../rules.ts';

type Configuration = MutatingWebhookConfiguration | ValidatingWebhookConfiguration;
type Webhook = NonNullable<MutatingWebhookConfiguration['webhooks']>[number];

const configuration = (mutating: boolean): Override<Configuration> => ({
  countsGenerations: true,
  default(object) {
    for (const webhook of (object.webhooks ?? []) as Webhook[]) {
      webhook.failurePolicy ??= 'Fail';
      webhook.matchPolicy ??= 'Equivalent';
      webhook.namespaceSelector ??= {};
      webhook.objectSelector ??= {};
      webhook.timeoutSeconds ??= 10;
      if (mutating) webhook.reinvocationPolicy ??= 'Never';
      for (const rule of webhook.rules ?? []) rule.scope ??= '*';
      if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= 443;
    }
  },
  validate: ({ webhooks = [] }) => [
    ...each('webhooks', webhooks as Webhook[], validateWebhook),
    ...unique('webhooks', webhooks as Webhook[], ({ name }) => name, '.name'),
  ],
  columns: [nameColumn, integer('Webhooks', ({ webhooks }: Configuration) => webhooks?.length), ageColumn],
});

export const mutatingWebhookConfiguration = configuration(true);
export const validatingWebhookConfiguration = configuration(false);

const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];

function validateWebhook(webhook: Webhook, at: string): StatusCause[] {
  const causes = named(`${at}.name`, webhook.name, subdomainProblems);
  if (webhook.name && webhook.name.split('.').length < 3)
    causes.push(
      cause.invalid(`${at}.name`, webhook.name, 'should be a domain with at least three segments separated by dots'),
    );
  causes.push(...oneOf(`${at}.failurePolicy`, webhook.failurePolicy, ['Fail', 'Ignore'], true));
  causes.push(...oneOf(`${at}.matchPolicy`, webhook.matchPolicy, ['Equivalent', 'Exact'], true));
  if (!webhook.sideEffects) causes.push(cause.required(`${at}.sideEffects`, 'must specify one of None, NoneOnDryRun'));
  else causes.push(...oneOf(`${at}.sideEffects`, webhook.sideEffects, ['None', 'NoneOnDryRun']));
  if (webhook.timeoutSeconds !== undefined && (webhook.timeoutSeconds < 1 || webhook.timeoutSeconds > 30))
    causes.push(
      cause.invalid(
        `${at}.timeoutSeconds`,
        webhook.timeoutSeconds,
        'the timeout value must be between 1 and 30 seconds',
      ),
    );
  if (!webhook.admissionReviewVersions?.length)
    causes.push(cause.required(`${at}.admissionReviewVersions`, 'must specify one of v1, v1beta1'));
  else if (!webhook.admissionReviewVersions.some((version) => version === 'v1' || version === 'v1beta1'))
    causes.push(
      cause.invalid(
        `${at}.admissionReviewVersions`,
        webhook.admissionReviewVersions,
        'must include at least one of v1, v1beta1',
      ),
    );
  causes.push(
    ...validateSelector(webhook.namespaceSelector, `${at}.namespaceSelector`),
    ...validateSelector(webhook.objectSelector, `${at}.objectSelector`),
  );
  causes.push(
    ...each(`${at}.rules`, webhook.rules, (rule, path) => [
      ...(rule.operations?.length
        ? each(`${path}.operations`, rule.operations, (operation, field) => oneOf(field, operation, operations))
        : [cause.required(`${path}.operations`)]),
      ...(rule.apiGroups?.length ? [] : [cause.required(`${path}.apiGroups`)]),
      ...(rule.apiVersions?.length ? [] : [cause.required(`${path}.apiVersions`)]),
      ...(rule.resources?.length ? [] : [cause.required(`${path}.resources`)]),
    ]),
  );
  return [...causes, ...validateClientConfig(webhook.clientConfig, `${at}.clientConfig`)];
}

function validateClientConfig(config: Webhook['clientConfig'] | undefined, at: string): StatusCause[] {
  const { url, service } = config ?? {};
  if ((url === undefined) === (service === undefined))
    return [cause.required(at, 'exactly one of url or service is required')];
  if (service)
    return [
      ...required(`${at}.service.name`, service.name),
      ...required(`${at}.service.namespace`, service.namespace),
      ...within(`${at}.service.port`, service.port, 1, 65535),
    ];
  const parsed = URL.canParse(url ?? '') ? new URL(url ?? '') : undefined;
  if (!parsed) return [cause.required(`${at}.url`, 'url must be a valid URL; desired format: https://host[/path]')];
  const causes: StatusCause[] = [];
  if (parsed.protocol !== 'https:')
    causes.push(
      cause.invalid(
        `${at}.url`,
        parsed.protocol.slice(0, -1),
        "'https' is the only allowed URL scheme; desired format: https://host[/path]",
      ),
    );
  if (parsed.username || parsed.password)
    causes.push(cause.invalid(`${at}.url`, '<redacted>', 'user information is not permitted in the URL'));
  if (parsed.search)
    causes.push(cause.invalid(`${at}.url`, parsed.search.slice(1), 'query parameters are not permitted in the URL'));
  if (parsed.hash)
    causes.push(cause.invalid(`${at}.url`, parsed.hash.slice(1), 'fragments are not permitted in the URL'));
  return causes;
}
