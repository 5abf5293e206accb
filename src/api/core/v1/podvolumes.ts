/** Rules for a Pod's volumes. */
import { cause, labelProblems, type StatusCause } from '../../../machinery/index.ts';
import type { PodSpec, Volume } from '../../gen/types.ts';
import { each, named, nonNegativeQuantity, oneOf, required, unique, within } from '../../rules.ts';

const hostPathTypes = [
  '',
  'DirectoryOrCreate',
  'Directory',
  'FileOrCreate',
  'File',
  'Socket',
  'CharDevice',
  'BlockDevice',
];

export function validateVolumes(spec: PodSpec, field: string): StatusCause[] {
  const volumes = spec.volumes ?? [];
  return [
    ...each(field, volumes, (volume, at) => [
      ...named(`${at}.name`, volume.name, labelProblems),
      ...validateSource(volume, at),
    ]),
    ...unique(field, volumes, (volume) => volume.name, '.name'),
  ];
}

function validateSource(volume: Volume, at: string): StatusCause[] {
  const sources = Object.keys(volume).filter((name) => name !== 'name');
  const causes = sources
    .slice(1)
    .map((name) => cause.forbidden(`${at}.${name}`, 'may not specify more than 1 volume type'));
  if (sources.length === 0) causes.push(cause.required(at, 'must specify a volume type'));
  const check = checks[sources[0] ?? ''];
  return [...causes, ...(check?.((volume as any)[sources[0]!], `${at}.${sources[0]}`, volume.name) ?? [])];
}

type SourceCheck = (source: any, at: string, name: string) => StatusCause[];

const mode = (at: string, value: number | undefined) =>
  value === undefined || (value >= 0 && value <= 0o777)
    ? []
    : [cause.invalid(at, value, 'must be a number between 0 and 0777 (octal), both inclusive')];

function items(list: { key?: string; path?: string; mode?: number }[] | undefined, at: string): StatusCause[] {
  return each(at, list, (item, field) => [
    ...required(`${field}.key`, item.key),
    ...required(`${field}.path`, item.path),
    ...(item.path ? localPath(`${field}.path`, item.path) : []),
    ...mode(`${field}.mode`, item.mode),
  ]);
}

/** A path below where it is mounted, not out of it, and not the volume's own bookkeeping. */
function localPath(field: string, path: string): StatusCause[] {
  const causes: StatusCause[] = [];
  if (path.startsWith('/')) causes.push(cause.invalid(field, path, 'must be a relative path'));
  if (path.split('/').includes('..')) causes.push(cause.invalid(field, path, "must not contain '..'"));
  else if (path.startsWith('..')) causes.push(cause.invalid(field, path, "must not start with '..'"));
  return causes;
}

function downwardItems(list: any[] | undefined, at: string): StatusCause[] {
  return each(at, list, (file, field) => {
    const causes = required(`${field}.path`, file.path);
    if (file.path) causes.push(...localPath(`${field}.path`, file.path));
    if (file.fieldRef && file.resourceFieldRef)
      causes.push(
        cause.invalid(field, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'),
      );
    else if (file.fieldRef) causes.push(...required(`${field}.fieldRef.fieldPath`, file.fieldRef.fieldPath));
    else if (file.resourceFieldRef) {
      causes.push(...required(`${field}.resourceFieldRef.containerName`, file.resourceFieldRef.containerName));
      causes.push(...required(`${field}.resourceFieldRef.resource`, file.resourceFieldRef.resource));
    } else causes.push(cause.required(field, 'one of fieldRef and resourceFieldRef is required'));
    return [...causes, ...mode(`${field}.mode`, file.mode)];
  });
}

const projections: Record<string, SourceCheck> = {
  secret: (source, at) => [...required(`${at}.name`, source.name), ...items(source.items, `${at}.items`)],
  configMap: (source, at) => [...required(`${at}.name`, source.name), ...items(source.items, `${at}.items`)],
  downwardAPI: (source, at) => downwardItems(source.items, `${at}.items`),
  serviceAccountToken: (source, at) => [
    ...(source.expirationSeconds < 600
      ? [
          cause.invalid(
            `${at}.expirationSeconds`,
            source.expirationSeconds,
            'may not specify a duration less than 10 minutes',
          ),
        ]
      : []),
    ...(source.expirationSeconds > 2 ** 32
      ? [
          cause.invalid(
            `${at}.expirationSeconds`,
            source.expirationSeconds,
            'may not specify a duration larger than 2^32 seconds',
          ),
        ]
      : []),
    ...required(`${at}.path`, source.path),
  ],
  clusterTrustBundle: (source, at) => required(`${at}.path`, source.path),
};

const checks: Record<string, SourceCheck> = {
  emptyDir: (source, at) =>
    source.sizeLimit === undefined ? [] : nonNegativeQuantity(`${at}.sizeLimit`, source.sizeLimit),
  hostPath: (source, at) => [
    ...required(`${at}.path`, source.path),
    ...(source.path?.split('/').includes('..')
      ? [cause.invalid(`${at}.path`, source.path, "must not contain '..'")]
      : []),
    ...oneOf(`${at}.type`, source.type, hostPathTypes, true),
  ],
  secret: (source, at) => [
    ...required(`${at}.secretName`, source.secretName),
    ...mode(`${at}.defaultMode`, source.defaultMode),
    ...items(source.items, `${at}.items`),
  ],
  configMap: (source, at) => [
    ...required(`${at}.name`, source.name),
    ...mode(`${at}.defaultMode`, source.defaultMode),
    ...items(source.items, `${at}.items`),
  ],
  downwardAPI: (source, at) => [
    ...mode(`${at}.defaultMode`, source.defaultMode),
    ...downwardItems(source.items, `${at}.items`),
  ],
  projected: (source, at) => [
    ...mode(`${at}.defaultMode`, source.defaultMode),
    ...each(`${at}.sources`, source.sources, (projection: Record<string, any>, field) => {
      const names = Object.keys(projection);
      const first = names[0] ?? '';
      return [
        ...(names.length === 0 ? [cause.required(field, 'exactly one projection type')] : []),
        ...names.slice(1).map((name) => cause.forbidden(`${field}.${name}`, 'may not specify more than 1 volume type')),
        ...(projections[first]?.(projection[first], `${field}.${first}`, '') ?? []),
      ];
    }),
  ],
  persistentVolumeClaim: (source, at) => required(`${at}.claimName`, source.claimName),
  nfs: (source, at) => [...required(`${at}.server`, source.server), ...required(`${at}.path`, source.path)],
  csi: (source, at) => required(`${at}.driver`, source.driver),
  image: (source, at) => [
    ...required(`${at}.reference`, source.reference),
    ...oneOf(`${at}.pullPolicy`, source.pullPolicy, ['Always', 'IfNotPresent', 'Never'], true),
  ],
  ephemeral: (source, at) => [
    ...required(`${at}.volumeClaimTemplate`, source.volumeClaimTemplate),
    ...(source.volumeClaimTemplate
      ? required(
          `${at}.volumeClaimTemplate.spec.accessModes`,
          source.volumeClaimTemplate.spec?.accessModes,
          'at least 1 access mode is required',
        )
      : []),
  ],
  iscsi: (source, at) => [
    ...required(`${at}.targetPortal`, source.targetPortal),
    ...required(`${at}.iqn`, source.iqn),
    ...within(`${at}.lun`, source.lun, 0, 255),
  ],
};
