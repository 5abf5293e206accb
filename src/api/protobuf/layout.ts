/**
 * Which field of a message is which field of the JSON form, made from the generated facts when first asked for, each message once.
 *
 * A fact is `number name type`. The name is the JSON name; `=` means that the message's fields lie beside the others in JSON. Before
 * the type stands `*` (may be absent), `[]` (a list), `{}` (a map by string) or nothing (always written, zero or not). Behind it stands
 * `?` if JSON leaves a zero out, `-` if JSON leaves an empty message out.
 */
export interface Facts {
  /** By apiVersion: the package of its kinds. */
  readonly packages: Readonly<Record<string, string>>;
  readonly messages: Readonly<Record<string, readonly string[]>>;
}

export type Form = 'value' | 'optional' | 'list' | 'map';

export interface Field {
  readonly number: number;
  readonly name: string;
  readonly form: Form;
  readonly inline: boolean;
  readonly omitEmpty: boolean;
  readonly omitZero: boolean;
  /** `string`, `bytes`, `time`, … (see read.ts), or a message's name. */
  readonly type: string;
  /** How a single value of it is written: 0 as an integer, 1 as eight bytes, 2 with its length. */
  readonly wire: 0 | 1 | 2;
  /** Set if `type` names a message. */
  readonly message?: Message;
}

export interface Message {
  readonly name: string;
  /** In order of their numbers. */
  readonly fields: readonly Field[];
  readonly byNumber: readonly (Field | undefined)[];
}

/** Kinds that exist in every apiVersion. */
const everywhere = new Set([
  'CreateOptions',
  'DeleteOptions',
  'GetOptions',
  'ListOptions',
  'PatchOptions',
  'UpdateOptions',
  'WatchEvent',
]);

export class Layout {
  readonly #facts: Facts;
  readonly #messages = new Map<string, Message>();
  readonly #kinds = new Map<string, Message>();

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  messageOf(apiVersion: string, kind: string): Message | undefined {
    const key = `${apiVersion}/${kind}`;
    let found = this.#kinds.get(key);
    if (found !== undefined) return found;
    const { packages } = this.#facts;
    const names = Object.hasOwn(packages, apiVersion) ? [`${packages[apiVersion]}.${kind}`] : [];
    if (apiVersion === 'v1' || everywhere.has(kind)) names.push(`meta.v1.${kind}`);
    const name = names.find((one) => Object.hasOwn(this.#facts.messages, one));
    if (name === undefined) return undefined;
    found = this.message(name);
    if (this.#kinds.size < 2000) this.#kinds.set(key, found);
    return found;
  }

  message(name: string): Message {
    const known = this.#messages.get(name);
    if (known !== undefined) return known;
    const fields: Field[] = [];
    const byNumber: (Field | undefined)[] = [];
    const message = { name, fields, byNumber };
    this.#messages.set(name, message);
    for (const line of this.#facts.messages[name]!) fields.push(this.#field(line));
    fields.sort((a, b) => a.number - b.number);
    const highest = fields.at(-1)?.number ?? 0;
    for (let number = 0; number <= highest; number++) byNumber.push(undefined);
    for (const field of fields) byNumber[field.number] = field;
    return message;
  }

  #field(line: string): Field {
    const [number, name, rest] = line.split(' ') as [string, string, string];
    const [, form, type, marks] = /^(\*|\[\]|\{\})?([\w.]+)(.*)$/.exec(rest)!;
    return {
      number: Number(number),
      name,
      form: form === undefined ? 'value' : form === '*' ? 'optional' : form === '[]' ? 'list' : 'map',
      inline: name === '=',
      omitEmpty: marks!.includes('?'),
      omitZero: marks!.includes('-'),
      type: type!,
      wire: wireOf(type!),
      ...(type!.includes('.') && { message: this.message(type!) }),
    };
  }
}

function wireOf(type: string): 0 | 1 | 2 {
  if (type === 'int32' || type === 'int64' || type === 'bool') return 0;
  return type === 'double' ? 1 : 2;
}
