/** Checks of text against the formats that Kubernetes names things by: `format.dns1123Label().validate(name)`. */
import { labelValueProblems, qualifiedNameProblems, validateName } from '../../names.ts';
import { decodeBase64 } from '../bytes.ts';
import type { Library } from '../environment.ts';
import { type CallCost, overloadWith } from '../overload.ts';
import { regexCost, sizeOf } from '../size.ts';
import { daysOf } from '../time.ts';
import { structType } from '../types.ts';
import { none, Opaque, Optional } from '../values.ts';
import { uriProblem } from './url.ts';

const formatType = structType('kubernetes.NamedFormat', { get: () => undefined, plain: true });
const overload = overloadWith(new Map([['Format', formatType]]));

class Format extends Opaque {
  readonly type = formatType;
  readonly name: string;
  readonly problems: (text: string) => string[];
  /** How long a regular expression for it would be, in the reckoning of costs. */
  readonly patternSize: number;
  constructor(name: string, patternSize: number, problems: (text: string) => string[]) {
    super();
    this.name = name;
    this.patternSize = patternSize;
    this.problems = problems;
  }

  equals(other: unknown): boolean {
    return other instanceof Format && other.name === this.name;
  }
}

const check = (valid: (text: string) => boolean, problem: string) => (text: string) => (valid(text) ? [] : [problem]);
const isUuid = (text: string) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text);
const isBase64 = (text: string) => text !== '' && decodeBase64(text) !== undefined;

function isDate(text: string): boolean {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  return match !== null && daysOf(Number(match[1]), Number(match[2]), Number(match[3])) !== undefined;
}

function isDateTime(text: string): boolean {
  const [date = '', time = ''] = text.toLowerCase().split('t');
  const match = /^(\d{2}):(\d{2}):(\d{2})(.\d+)?(z|[+-]\d{2}:\d{2})$/.exec(time);
  return match !== null && isDate(date) && Number(match[1]) < 24 && Number(match[2]) < 60 && Number(match[3]) < 60;
}

function uriProblems(text: string): string[] {
  const problem = uriProblem(text);
  return problem === undefined ? [] : [problem];
}

const formats: Record<string, Format> = {
  dns1123Label: new Format('DNS1123Label', 30, (text) => validateName(text, 'label')),
  dns1123Subdomain: new Format('DNS1123Subdomain', 60, (text) => validateName(text, 'subdomain')),
  dns1035Label: new Format('DNS1035Label', 30, (text) => validateName(text, 'label1035')),
  qualifiedName: new Format('QualifiedName', 60, qualifiedNameProblems),
  dns1123LabelPrefix: new Format('DNS1123LabelPrefix', 30, (text) => validateName(text, 'label', true)),
  dns1123SubdomainPrefix: new Format('DNS1123SubdomainPrefix', 60, (text) => validateName(text, 'subdomain', true)),
  dns1035LabelPrefix: new Format('DNS1035LabelPrefix', 30, (text) => validateName(text, 'label1035', true)),
  labelValue: new Format('LabelValue', 40, labelValueProblems),
  uri: new Format('URI', 1103, uriProblems),
  uuid: new Format('uuid', 70, check(isUuid, 'does not match the UUID format')),
  byte: new Format('byte', 84, check(isBase64, 'invalid base64')),
  date: new Format('date', 71, check(isDate, 'invalid date')),
  datetime: new Format('datetime', 71, check(isDateTime, 'invalid datetime')),
};

function validate(format: Format, text: string): Optional {
  const problems = format.problems(text);
  return problems.length === 0 ? none : new Optional(problems);
}

const ofValidate: CallCost = ([format, text]) => regexCost(sizeOf(text), (format as Format).patternSize);

export const formatLibrary: Library = {
  types: [formatType],
  overloads: [
    overload('format-validate', 'Format.validate(string) -> optional(list(string))', validate, ofValidate),
    overload('format-named', 'format.named(string) -> optional(Format)', (name: string) =>
      Object.hasOwn(formats, name) ? new Optional(formats[name]) : none,
    ),
    ...Object.entries(formats).map(([name, format]) =>
      overload(`format.${name}`, `format.${name}() -> Format`, () => format),
    ),
  ],
};
