/** Expressions that choose devices, compiled once each. */
import type { Device } from '../../../api/index.ts';
import type * as Cel from '../../../machinery/cel/index.ts';

/** Says of a device whether the expression chooses it. Throws an `Error` that says what is wrong with the expression. */
export type Select = (expression: string, driver: string, device: Device) => boolean;

interface Compiled {
  readonly program: Cel.Program;
  /** Domains that it asks for by name: they are there for every device, if only empty. */
  readonly domains: readonly string[];
}

/** So many expressions are remembered. */
const remembered = 500;
/** The cost that one expression may have for one device. */
const costLimit = 1_000_000;

export function selectorsWith(cel: typeof Cel): Select {
  const { compile, dynType, kubernetesEnvironment, mapType, stringType } = cel;
  const environment = kubernetesEnvironment.extend({ variables: { device: mapType(stringType, dynType) } });
  const text = kubernetesEnvironment.extend({ variables: { text: stringType } });
  const semver = compile('semver(text)', text).program!;
  const quantity = compile('quantity(text)', text).program!;
  const compiled = new Map<string, Compiled>();
  const values = new WeakMap<Device, object>();
  const get = (expression: string): Compiled => {
    const known = compiled.get(expression);
    if (known !== undefined) return known;
    const { program, message } = compile(expression, environment) as { program?: Cel.Program; message?: string };
    if (program === undefined) throw new Error(`CEL expression ${JSON.stringify(expression)}: ${message}`);
    if (compiled.size >= remembered) compiled.delete(compiled.keys().next().value!);
    const domains = Array.from(expression.matchAll(/\[\s*(["'])([^"']+)\1\s*\]/g), ([, , domain]) => domain!);
    const one = { program, domains };
    compiled.set(expression, one);
    return one;
  };
  const valueOf = (driver: string, device: Device) => {
    const known = values.get(device);
    if (known !== undefined) return known as DeviceValue;
    const made: DeviceValue = {
      driver,
      attributes: byDomain(driver, device.attributes, ({ bool, int, string, version, ...lists }) => {
        if (version !== undefined) return semver.evaluate({ text: version }).value;
        const { bools, ints, strings, versions } = lists;
        return bool ?? int ?? string ?? bools ?? ints ?? strings ?? versions;
      }),
      capacity: byDomain(driver, device.capacity, ({ value }) => quantity.evaluate({ text: String(value) }).value),
      allowMultipleAllocations: device.allowMultipleAllocations ?? false,
    };
    values.set(device, made);
    return made;
  };
  return (expression, driver, device) => {
    const { program, domains } = get(expression);
    const value = valueOf(driver, device);
    const missing = domains.filter((domain) => !(domain in value.attributes) || !(domain in value.capacity));
    const given = missing.length === 0 ? value : withDomains(value, missing);
    const { value: chosen, error } = program.evaluate({ device: given }, costLimit);
    if (error !== undefined) throw new Error(`CEL expression ${JSON.stringify(expression)}: ${error}`);
    return chosen === true;
  };
}

interface DeviceValue {
  readonly driver: string;
  readonly attributes: Record<string, object>;
  readonly capacity: Record<string, object>;
  readonly allowMultipleAllocations: boolean;
}

function withDomains(value: DeviceValue, missing: readonly string[]): DeviceValue {
  const empty = Object.fromEntries(missing.map((domain) => [domain, {}]));
  return { ...value, attributes: { ...empty, ...value.attributes }, capacity: { ...empty, ...value.capacity } };
}

/** `domain/name`, or a name alone: then it is of the driver's domain. */
export function qualified(driver: string, name: string): [domain: string, id: string] {
  const at = name.indexOf('/');
  return at < 0 ? [driver, name] : [name.slice(0, at), name.slice(at + 1)];
}

function byDomain<T>(
  driver: string,
  named: Readonly<Record<string, T>> | undefined,
  value: (of: T) => unknown,
): Record<string, object> {
  const domains: Record<string, Record<string, unknown>> = {};
  for (const [name, of] of Object.entries(named ?? {})) {
    const [domain, id] = qualified(driver, name);
    (domains[domain] ??= {})[id] = value(of);
  }
  return domains;
}
