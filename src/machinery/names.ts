/**
 * What names, labels and annotations may look like, refused in the words of apimachinery's `validation` packages, and the
 * rules for `metadata` that every kind shares.
 */
import { isObject } from './json.ts';
import type { ObjectMeta, OwnerReference } from './meta.ts';
import { cause, type StatusCause } from './status.ts';

export type NameRule = 'subdomain' | 'label' | 'label1035' | 'path';

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomain = `${label}(\\.${label})*`;
const label1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const qualifiedPart = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const labelPattern = new RegExp(`^${label}$`);
const subdomainPattern = new RegExp(`^${subdomain}$`);
const label1035Pattern = new RegExp(`^${label1035}$`);
const qualifiedPattern = new RegExp(`^${qualifiedPart}$`);
const portNamePattern = /^[-a-z0-9]+$/;

const tooLong = (limit: number) => `must be no more than ${limit} characters`;
const nonEmpty = 'must be non-empty';
const told = (rule: string, pattern: string, ...examples: string[]) =>
  `${rule} (${examples.length > 0 ? `e.g. ${examples.map((e) => `'${e}'`).join(',  or ')}, ` : ''}regex used for validation is '${pattern}')`;

/** Problems with a DNS label (RFC 1123), at most 63 characters. */
export function labelProblems(value: string): string[] {
  const problems = value.length > 63 ? [tooLong(63)] : [];
  if (labelPattern.test(value)) return problems;
  const rule =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
  return [...problems, told(rule, label, 'my-name', '123-abc')];
}

/** Problems with a DNS subdomain (RFC 1123), at most 253 characters. */
export function subdomainProblems(value: string): string[] {
  const problems = value.length > 253 ? [tooLong(253)] : [];
  if (value.length <= 4096 && subdomainPattern.test(value)) return problems;
  const rule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
  return [...problems, `${rule} (e.g. 'example.com', regex used for validation is '${subdomain}')`];
}

/** Problems with a DNS label that starts with a letter (RFC 1035), as Service names are. */
export function label1035Problems(value: string): string[] {
  const problems = value.length > 63 ? [tooLong(63)] : [];
  if (label1035Pattern.test(value)) return problems;
  const rule =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
  return [...problems, told(rule, label1035, 'my-name', 'abc-123')];
}

/** Problems with a name that must only be safe in a URL path. */
export function pathSegmentProblems(value: string): string[] {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  return ['/', '%'].filter((part) => value.includes(part)).map((part) => `may not contain '${part}'`);
}

/** Problems with a label or annotation key: `name` or `prefix/name`. */
export function qualifiedNameProblems(value: string): string[] {
  const slash = value.indexOf('/');
  if (slash >= 0 && value.includes('/', slash + 1)) return [qualifiedRule('a valid label key')];
  const problems: string[] = [];
  const name = value.slice(slash + 1);
  if (slash === 0) problems.push(`prefix part ${nonEmpty}`);
  else if (slash > 0)
    problems.push(...subdomainProblems(value.slice(0, slash)).map((problem) => `prefix part ${problem}`));
  if (name === '') problems.push(`name part ${nonEmpty}`);
  else if (name.length > 63) problems.push(`name part ${tooLong(63)}`);
  if (!qualifiedPattern.test(name)) problems.push(`name part ${qualifiedRule('must consist')}`);
  return problems;
}

function qualifiedRule(opening: string): string {
  const rule = "of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  const examples = ['MyName', 'my.name', '123-abc'];
  if (opening === 'must consist') return told(`${opening} ${rule}`, qualifiedPart, ...examples);
  return `${opening} must consist ${told(rule, qualifiedPart, ...examples)} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
}

export function labelValueProblems(value: string): string[] {
  const problems = value.length > 63 ? [tooLong(63)] : [];
  if (value === '' || qualifiedPattern.test(value)) return problems;
  const rule =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  return [...problems, told(rule, `(${qualifiedPart})?`, 'MyValue', 'my_value', '12345')];
}

/** Problems with the name of a port (IANA service name), at most 15 characters. */
export function portNameProblems(value: string): string[] {
  const problems: string[] = [];
  if (value.length > 15) problems.push(tooLong(15));
  if (!portNamePattern.test(value))
    problems.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(value)) problems.push('must contain at least one letter (a-z)');
  if (value.includes('--')) problems.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) problems.push('must not begin or end with a hyphen');
  return problems;
}

export function portNumberProblems(value: number): string[] {
  return value >= 1 && value <= 65535 ? [] : ['must be between 1 and 65535, inclusive'];
}

const rules: Record<NameRule, (value: string) => string[]> = {
  subdomain: subdomainProblems,
  label: labelProblems,
  label1035: label1035Problems,
  path: pathSegmentProblems,
};

/** Problems with the name of an object. `prefix`: it is a `generateName`, whose last dash is not the end. */
export function validateName(name: string, rule: NameRule, prefix = false): string[] {
  return rules[rule](prefix && name.length > 1 && name.endsWith('-') ? `${name.slice(0, -2)}a` : name);
}

export function validateLabels(labels: Record<string, string> | undefined, field: string): StatusCause[] {
  const causes: StatusCause[] = [];
  for (const [key, value] of Object.entries(labels ?? {})) {
    for (const problem of qualifiedNameProblems(key)) causes.push(cause.invalid(field, key, problem));
    for (const problem of labelValueProblems(value)) causes.push(cause.invalid(field, value, problem));
  }
  return causes;
}

const maxAnnotationBytes = 256 * 1024;

export function validateAnnotations(annotations: Record<string, string> | undefined, field: string): StatusCause[] {
  const causes: StatusCause[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    for (const problem of qualifiedNameProblems(key.toLowerCase())) causes.push(cause.invalid(field, key, problem));
    bytes += utf8Length(key) + utf8Length(value);
  }
  if (bytes > maxAnnotationBytes) causes.push(cause.tooLong(field, maxAnnotationBytes));
  return causes;
}

/** How many bytes the text takes in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    // Each half of a surrogate pair counts two of its four bytes.
    bytes += code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 1 : 2;
  }
  return bytes;
}

export interface ObjectMetaRules {
  namespaced: boolean;
  nameRule: NameRule;
  /** Where the metadata is; `metadata` unless said otherwise. */
  field?: string;
}

/** The rules for `metadata` on create and update, in upstream's order. A name that is still to be generated is absent. */
export function validateObjectMeta(
  meta: ObjectMeta,
  { namespaced, nameRule, field = 'metadata' }: ObjectMetaRules,
): StatusCause[] {
  const causes: StatusCause[] = [];
  const { name = '', generateName = '', namespace = '' } = meta;
  for (const problem of generateName === '' ? [] : validateName(generateName, nameRule, true))
    causes.push(cause.invalid(`${field}.generateName`, generateName, problem));
  if (name === '') causes.push(cause.required(`${field}.name`, 'name or generateName is required'));
  else for (const problem of validateName(name, nameRule)) causes.push(cause.invalid(`${field}.name`, name, problem));
  if (!namespaced && namespace !== '') causes.push(cause.forbidden(`${field}.namespace`, 'not allowed on this type'));
  if (namespaced && namespace === '') causes.push(cause.required(`${field}.namespace`));
  else if (namespaced)
    for (const problem of labelProblems(namespace))
      causes.push(cause.invalid(`${field}.namespace`, namespace, problem));
  if ((meta.generation ?? 0) < 0)
    causes.push(cause.invalid(`${field}.generation`, meta.generation, 'must be greater than or equal to 0'));
  causes.push(...validateLabels(meta.labels, `${field}.labels`));
  causes.push(...validateAnnotations(meta.annotations, `${field}.annotations`));
  causes.push(...validateOwners(meta.ownerReferences ?? [], `${field}.ownerReferences`));
  causes.push(...validateFinalizers(meta.finalizers ?? [], `${field}.finalizers`));
  return causes;
}

function validateOwners(owners: readonly OwnerReference[], field: string): StatusCause[] {
  const causes: StatusCause[] = [];
  let controller: string | undefined;
  for (const [i, owner] of owners.entries()) {
    if (!isObject(owner)) continue;
    const at = `${field}[${i}]`;
    if (!owner.apiVersion)
      causes.push(cause.invalid(`${at}.apiVersion`, owner.apiVersion ?? '', 'version must not be empty'));
    if (!owner.kind) causes.push(cause.invalid(`${at}.kind`, '', 'must not be empty'));
    if (!owner.name) causes.push(cause.invalid(`${at}.name`, '', 'must not be empty'));
    if (!owner.uid) causes.push(cause.invalid(`${at}.uid`, '', 'must not be empty'));
    if (owner.apiVersion === 'v1' && owner.kind === 'Event')
      causes.push(cause.invalid(at, `${owner.apiVersion}, Kind=${owner.kind}`, 'is disallowed from being an owner'));
    if (owner.controller !== true) continue;
    if (controller !== undefined) {
      const told = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${owner.kind}/${owner.name}`;
      causes.push(cause.invalid(field, owners, told));
    }
    controller = `${owner.kind}/${owner.name}`;
  }
  return causes;
}

function validateFinalizers(finalizers: readonly string[], field: string): StatusCause[] {
  const causes = finalizers.flatMap((name) =>
    qualifiedNameProblems(name).map((problem) => cause.invalid(field, name, problem)),
  );
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion'))
    causes.push(cause.invalid(field, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'));
  return causes;
}
