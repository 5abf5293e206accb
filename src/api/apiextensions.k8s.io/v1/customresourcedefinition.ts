import { cause, equalJson, label1035Problems, type StatusCause, subdomainProblems } from '../../../machinery/index.ts';
import { createdColumn, nameColumn } from '../../columns.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, immutable, named, oneOf, required, unique, within } from '../../rules.ts';
import { apiApprovalOf, isProtected } from './approval.ts';
import { validateDefaults } from './defaultvalues.ts';
import { validateRoot, validateSelectable, validateWarning } from './versionrules.ts';
import { validateStructural } from './structuralschema.ts';

export const customResourceDefinition: Override<CustomResourceDefinition> = {
  countsGenerations: true,
  default({ spec }) {
    const { names } = spec;
    if (names?.kind) {
      names.singular ||= names.kind.toLowerCase();
      names.listKind ||= `${names.kind}List`;
    }
    spec.conversion ??= { strategy: 'None' };
    if (spec.conversion.webhook?.clientConfig?.service) spec.conversion.webhook.clientConfig.service.port ??= 443;
  },
  prepare(object, old) {
    const stored = object.spec.versions?.find((version) => version.storage)?.name;
    const before = old ? (object.status?.storedVersions ?? old.status?.storedVersions ?? []) : [];
    const storedVersions = stored === undefined || before.includes(stored) ? before : [...before, stored];
    object.status = { ...(old ? object.status : {}), storedVersions };
  },
  prepareDelete(object) {
    const { metadata } = object;
    const finalizer = 'customresourcecleanup.apiextensions.k8s.io';
    if (!metadata.finalizers?.includes(finalizer)) metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
    const others = (object.status?.conditions ?? []).filter(({ type }) => type !== 'Terminating');
    object.status = {
      ...object.status,
      conditions: [
        ...others,
        {
          lastTransitionTime: metadata.deletionTimestamp,
          message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
          reason: 'InstanceDeletionPending',
          status: 'True',
          type: 'Terminating',
        },
      ],
    };
  },
  validate: (object, old, subresource) =>
    subresource === 'status'
      ? validateStored(object)
      : [
          ...validateSpec(object, old),
          ...validateStored(object),
          ...validateApproval(object, old),
          ...(old ? validateChange(object, old) : []),
        ],
  columns: [nameColumn, createdColumn],
};

function validateSpec(
  { metadata, spec }: CustomResourceDefinition,
  old: CustomResourceDefinition | undefined,
): StatusCause[] {
  const { names, versions = [] } = spec;
  const causes: StatusCause[] = [];
  const wanted = `${names?.plural}.${spec.group}`;
  if (metadata.name !== wanted)
    causes.push(cause.invalid('metadata.name', metadata.name, `must be spec.names.plural+"."+spec.group`));
  causes.push(...named('spec.group', spec.group, subdomainProblems));
  if (spec.group && !spec.group.includes('.'))
    causes.push(cause.invalid('spec.group', spec.group, 'should be a domain with at least one dot'));
  causes.push(...oneOf('spec.scope', spec.scope, ['Cluster', 'Namespaced']));
  causes.push(...validateNames(spec.names));
  if (versions.length === 0)
    causes.push(cause.required('spec.versions', 'must have exactly one version marked as storage version'));
  else if (versions.filter((version) => version.storage).length !== 1)
    causes.push(
      cause.invalid(
        'spec.versions',
        versions.map(({ name }) => name),
        'must have exactly one version marked as storage version',
      ),
    );
  causes.push(
    ...each('spec.versions', versions, (version, at) => {
      const before = old?.spec.versions.find(({ name }) => name === version.name);
      return validateVersion(version, before, at);
    }),
    ...unique('spec.versions', versions, ({ name }) => name, '.name'),
  );
  if (spec.preserveUnknownFields)
    causes.push(
      cause.invalid(
        'spec.preserveUnknownFields',
        true,
        'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
      ),
    );
  return [...causes, ...validateConversion(spec.conversion)];
}

function validateNames(names: CustomResourceDefinition['spec']['names'] | undefined): StatusCause[] {
  const at = 'spec.names';
  const causes: StatusCause[] = [];
  for (const field of ['plural', 'singular'] as const)
    causes.push(...named(`${at}.${field}`, names?.[field], label1035Problems));
  for (const field of ['kind', 'listKind'] as const) {
    const value = names?.[field];
    causes.push(...required(`${at}.${field}`, value));
    if (value)
      causes.push(
        ...label1035Problems(value.toLowerCase()).map((told) =>
          cause.invalid(`${at}.${field}`, value, `may have mixed case, but should otherwise match: ${told}`),
        ),
      );
  }
  if (names?.kind && names.kind === names.listKind)
    causes.push(cause.invalid(`${at}.listKind`, names.listKind, 'kind and listKind may not be the same'));
  for (const field of ['shortNames', 'categories'] as const)
    causes.push(...each(`${at}.${field}`, names?.[field], (name, path) => named(path, name, label1035Problems)));
  return causes;
}

function validateVersion(
  version: CustomResourceDefinitionVersion,
  old: CustomResourceDefinitionVersion | undefined,
  at: string,
): StatusCause[] {
  const causes = named(`${at}.name`, version.name, label1035Problems);
  const schema = version.schema?.openAPIV3Schema;
  if (!schema) causes.push(cause.required(`${at}.schema.openAPIV3Schema`, 'schemas are required'));
  // what was accepted once stays so
  else if (!equalJson(schema, old?.schema?.openAPIV3Schema)) {
    const field = `${at}.schema.openAPIV3Schema`;
    causes.push(...validateStructural(schema, field));
    if (causes.length === 0) causes.push(...validateDefaults(schema, field));
    if (version.subresources?.status) causes.push(...validateRoot(schema, field));
  }
  causes.push(...validateWarning(version, at), ...validateSelectable(version, old, at));
  causes.push(
    ...each(`${at}.additionalPrinterColumns`, version.additionalPrinterColumns, (column, path) => [
      ...required(`${path}.name`, column.name),
      ...oneOf(`${path}.type`, column.type, ['boolean', 'date', 'integer', 'number', 'string']),
      ...jsonPath(`${path}.jsonPath`, column.jsonPath),
    ]),
  );
  const scale = version.subresources?.scale;
  if (!scale) return causes;
  causes.push(...scalePath(`${at}.subresources.scale.specReplicasPath`, scale.specReplicasPath, '.spec'));
  causes.push(...scalePath(`${at}.subresources.scale.statusReplicasPath`, scale.statusReplicasPath, '.status'));
  const { labelSelectorPath: selector } = scale;
  if (selector && !/^\.(spec|status)\./.test(selector))
    causes.push(
      cause.invalid(
        `${at}.subresources.scale.labelSelectorPath`,
        selector,
        'should be a json path under either .spec or .status',
      ),
    );
  return causes;
}

function jsonPath(field: string, path: string | undefined): StatusCause[] {
  if (!path) return [cause.required(field)];
  return path.startsWith('.') ? [] : [cause.invalid(field, path, 'must be a simple json path starting with .')];
}

function scalePath(field: string, path: string | undefined, below: string): StatusCause[] {
  const causes = jsonPath(field, path);
  if (causes.length === 0 && !path?.startsWith(`${below}.`))
    causes.push(cause.invalid(field, path, `should be a json path under ${below}`));
  return causes;
}

function validateConversion(conversion: CustomResourceDefinition['spec']['conversion']): StatusCause[] {
  const causes = oneOf('spec.conversion.strategy', conversion?.strategy, ['None', 'Webhook']);
  if (conversion?.strategy !== 'Webhook')
    return conversion?.webhook
      ? [...causes, cause.forbidden('spec.conversion.webhook', 'should not be set when strategy is not set to Webhook')]
      : causes;
  const { clientConfig, conversionReviewVersions = [] } = conversion.webhook ?? {};
  if (!clientConfig)
    return [
      ...causes,
      cause.required('spec.conversion.webhook.clientConfig', 'required when strategy is set to Webhook'),
    ];
  if ((clientConfig.url === undefined) === (clientConfig.service === undefined))
    causes.push(cause.required('spec.conversion.webhook.clientConfig', 'exactly one of url or service is required'));
  causes.push(...within('spec.conversion.webhook.clientConfig.service.port', clientConfig.service?.port, 1, 65535));
  if (!conversionReviewVersions.includes('v1') && !conversionReviewVersions.includes('v1beta1'))
    causes.push(
      cause.invalid(
        'spec.conversion.webhook.conversionReviewVersions',
        conversionReviewVersions,
        'must include at least one of v1, v1beta1',
      ),
    );
  return causes;
}

function validateStored({ spec, status }: CustomResourceDefinition): StatusCause[] {
  const names = new Set((spec.versions ?? []).map(({ name }) => name));
  return each('status.storedVersions', status?.storedVersions, (name, at) =>
    names.has(name)
      ? []
      : [
          cause.invalid(
            at,
            name,
            'missing from spec.versions; ' +
              name +
              ' was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ' +
              name +
              ' and removes ' +
              name +
              ' from status.storedVersions',
          ),
        ],
  );
}

function validateChange(
  { spec, status }: CustomResourceDefinition,
  { spec: before }: CustomResourceDefinition,
): StatusCause[] {
  if (!status?.conditions?.some(({ type, status: is }) => type === 'Established' && is === 'True')) return [];
  return [
    ...immutable('spec.scope', spec.scope, before.scope),
    ...immutable('spec.names.kind', spec.names?.kind, before.names?.kind),
    ...immutable('spec.names.plural', spec.names?.plural, before.names?.plural),
    ...immutable('spec.group', spec.group, before.group),
  ];
}

function validateApproval(
  { metadata, spec }: CustomResourceDefinition,
  old: CustomResourceDefinition | undefined,
): StatusCause[] {
  if (!spec.group || !isProtected(spec.group)) return [];
  const { state, reason } = apiApprovalOf(metadata);
  if (old !== undefined && apiApprovalOf(old.metadata).state === state) return [];
  const field = 'metadata.annotations[api-approved.kubernetes.io]';
  if (state === 'missing') return [cause.required(field, reason)];
  return state === 'invalid'
    ? [cause.invalid(field, metadata.annotations?.['api-approved.kubernetes.io'], reason)]
    : [];
}
