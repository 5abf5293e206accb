/** Rules that many kinds share, each giving the causes that upstream's `validation` packages give. */
import {
  cause,
  compareQuantities,
  equalJson,
  labelValueProblems,
  qualifiedNameProblems,
  type StatusCause,
} from '../machinery/index.ts';

/** One cause for each problem that `problemsOf` finds with the value; an empty value is required. */
export function named(
  field: string,
  value: string | undefined,
  problemsOf: (value: string) => string[],
): StatusCause[] {
  return value ? problemsOf(value).map((problem) => cause.invalid(field, value, problem)) : [cause.required(field)];
}

/** As `named`, but an absent value is fine. */
export function optionallyNamed(
  field: string,
  value: string | undefined,
  problemsOf: (value: string) => string[],
): StatusCause[] {
  return value ? named(field, value, problemsOf) : [];
}

/** The value must be one of these. Absent: required, unless `optional`. */
export function oneOf(
  field: string,
  value: string | undefined,
  values: readonly string[],
  optional = false,
): StatusCause[] {
  if (!value) return optional ? [] : [cause.required(field)];
  return values.includes(value) ? [] : [cause.notSupported(field, value, values.toSorted())];
}

export function nonNegative(field: string, value: number | undefined): StatusCause[] {
  return value !== undefined && value < 0 ? [cause.invalid(field, value, 'must be greater than or equal to 0')] : [];
}

export function positive(field: string, value: number | undefined): StatusCause[] {
  return value === undefined || value > 0 ? [] : [cause.invalid(field, value, 'must be greater than 0')];
}

export function within(field: string, value: number | undefined, least: number, most: number): StatusCause[] {
  const fits = value === undefined || (value >= least && value <= most);
  return fits ? [] : [cause.invalid(field, value, `must be between ${least} and ${most}, inclusive`)];
}

export function port(field: string, value: number | string | undefined): StatusCause[] {
  return typeof value === 'string' ? [] : within(field, value ?? 0, 1, 65535);
}

export function required(field: string, value: unknown, detail = ''): StatusCause[] {
  return value === undefined || value === null || value === '' ? [cause.required(field, detail)] : [];
}

export function immutable(field: string, value: unknown, old: unknown): StatusCause[] {
  return equalJson(value, old) ? [] : [cause.invalid(field, value, 'field is immutable')];
}

/** Each item's key must be its alone; `at` says which field of an item it is. */
export function unique<T>(
  field: string,
  items: readonly T[],
  keyOf: (item: T) => string | undefined,
  at = '',
): StatusCause[] {
  const seen = new Set<string>();
  const causes: StatusCause[] = [];
  for (const [i, item] of items.entries()) {
    const key = keyOf(item);
    if (!key) continue;
    if (seen.has(key)) causes.push(cause.duplicate(`${field}[${i}]${at}`, key));
    seen.add(key);
  }
  return causes;
}

/** The causes of every item, each under its own index. */
export function each<T>(
  field: string,
  items: readonly T[] | undefined,
  causesOf: (item: T, field: string) => StatusCause[],
): StatusCause[] {
  return (items ?? []).flatMap((item, i) => causesOf(item, `${field}[${i}]`));
}

const isPercent = /^\d+%$/;

/** A count, or a percentage as text. */
export function countOrPercent(field: string, value: number | string | undefined): StatusCause[] {
  if (typeof value === 'number') return nonNegative(field, value);
  if (value === undefined || isPercent.test(value)) return [];
  const told =
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
  return [cause.invalid(field, value, told)];
}

export function notOverWhole(field: string, value: number | string | undefined): StatusCause[] {
  const over = typeof value === 'string' && isPercent.test(value) && Number.parseInt(value, 10) > 100;
  return over ? [cause.invalid(field, value, 'must not be greater than 100%')] : [];
}

export interface LabelSelectorLike {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

export function validateSelector(selector: LabelSelectorLike | undefined, field: string): StatusCause[] {
  const causes: StatusCause[] = [];
  for (const [key, value] of Object.entries(selector?.matchLabels ?? {})) {
    for (const problem of qualifiedNameProblems(key)) causes.push(cause.invalid(`${field}.matchLabels`, key, problem));
    for (const problem of labelValueProblems(value)) causes.push(cause.invalid(`${field}.matchLabels`, value, problem));
  }
  const expressions = each(
    `${field}.matchExpressions`,
    selector?.matchExpressions,
    ({ key, operator, values = [] }, at) => {
      const wrong = qualifiedNameProblems(key ?? '').map((problem) => cause.invalid(`${at}.key`, key ?? '', problem));
      if (operator === 'In' || operator === 'NotIn') {
        if (values.length === 0)
          wrong.push(cause.required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      } else if (operator === 'Exists' || operator === 'DoesNotExist') {
        if (values.length > 0)
          wrong.push(
            cause.forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
          );
      } else wrong.push(cause.invalid(`${at}.operator`, operator ?? '', 'not a valid selector operator'));
      for (const [i, value] of values.entries())
        for (const problem of labelValueProblems(value))
          wrong.push(cause.invalid(`${at}.values[${i}]`, value, problem));
      return wrong;
    },
  );
  return [...causes, ...expressions];
}

/** Whether labels satisfy a (valid) selector; an empty selector takes all. */
export function selects(selector: LabelSelectorLike, labels: Record<string, string> = {}): boolean {
  const equal = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  return (
    equal &&
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = labels[key];
      if (operator === 'Exists') return value !== undefined;
      if (operator === 'DoesNotExist') return value === undefined;
      return operator === 'In'
        ? value !== undefined && values.includes(value)
        : value === undefined || !values.includes(value);
    })
  );
}

export const isEmptySelector = (selector: LabelSelectorLike | undefined): boolean =>
  Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0;

export function nonNegativeQuantity(field: string, amount: string): StatusCause[] {
  return compareQuantities(amount, '0') < 0 ? [cause.invalid(field, amount, 'must be greater than or equal to 0')] : [];
}

/** Reports a text that is not the plain form of an IPv4 or IPv6 address. */
export function ipAddress(field: string, value: string): StatusCause[] {
  const told = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
  return isIp(value) ? [] : [cause.invalid(field, value, told)];
}

const ipv4 = /^(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/;

export const isIpv4 = (value: string): boolean => ipv4.test(value);

export function isIp(value: string): boolean {
  if (isIpv4(value)) return true;
  if (!/^[0-9a-fA-F:.]+$/.test(value) || !value.includes(':')) return false;
  const last = value.slice(value.lastIndexOf(':') + 1);
  if (last.includes('.') && !isIpv4(last)) return false;
  const text = last.includes('.') ? `${value.slice(0, -last.length)}0:0` : value;
  const halves = text.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return false;
  return halves.length === 2 ? groups.length <= 7 : groups.length === 8;
}

/** Reports a text that is not an address and a prefix length. */
export function cidr(field: string, value: string): StatusCause[] {
  const [address = '', bits = '', more] = value.split('/');
  const fits =
    isIp(address) && /^\d{1,3}$/.test(bits) && Number(bits) <= (isIpv4(address) ? 32 : 128) && more === undefined;
  return fits ? [] : [cause.invalid(field, value, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')];
}
