/** The string formats that a schema of a custom resource can name. Formats not listed are not checked, as upstream. */

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const hostname = new RegExp(`^(?=.{1,253}$)${label}(\\.${label})*$`, 'i');
const formats: Record<string, RegExp> = {
  __proto__: null as never,
  'date-time': /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/,
  date: /^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])$/,
  email: /^[^\s@]+@[^\s@]+$/,
  datetime: /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/,
  uuid3: /^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i,
  uuid4: /^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i,
  uuid5: /^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i,
  uuid: /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i,
  ipv4: /^((25[0-5]|2[0-4]\d|1?\d?\d)(\.|$)){4}$/,
  ipv6: /^(?=.*:)[0-9a-f:]{2,39}(\d+\.\d+\.\d+\.\d+)?(%.+)?$/i,
  hostname,
  mac: /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i,
  byte: /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
  uri: /^[a-z][a-z0-9+.-]*:\S*$|^\/\S*$/i,
  duration: /^[+-]?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d|w)\s*)+$|^0$/,
  cidr: /^[0-9a-f.:]+\/\d{1,3}$/i,
  bsonobjectid: /^[0-9a-f]{24}$/i,
  isbn: /^(?:[\d -]{9,16}[\dXx])$/,
  isbn10: /^(?:[\d -]{9,12}[\dXx])$/,
  isbn13: /^(?:[\d -]{13,17})$/,
  creditcard: /^[\d -]{13,23}$/,
  ssn: /^\d{3}[- ]?\d{2}[- ]?\d{4}$/,
  hexcolor: /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i,
  rgbcolor: /^rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)$/,
  password: /^/,
  'k8s-short-name': new RegExp(`^(?=.{1,63}$)${label}$`),
  'k8s-long-name': new RegExp(`^(?=.{1,253}$)${label}(\\.${label})*$`),
};

/** Whether a string of this format is checked. */
export function isKnownFormat(format: string): boolean {
  return Object.hasOwn(formats, format);
}

/** What is wrong with `value` as `format`, to follow `<path> in body `. */
export function formatProblem(format: string, value: string): string | undefined {
  const pattern = isKnownFormat(format) ? formats[format] : undefined;
  return pattern === undefined || pattern.test(value)
    ? undefined
    : `must be of type ${format}: ${JSON.stringify(value)}`;
}
