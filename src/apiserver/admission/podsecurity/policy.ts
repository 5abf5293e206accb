/** What a namespace's labels ask of its pods. */
import { cause, type StatusCause } from '../../../machinery/index.ts';
import type { Level } from './standards.ts';

export interface LevelVersion {
  readonly level: Level;
  /** `latest` or `v1.34`. */
  readonly version: string;
}

export interface Policy {
  readonly enforce: LevelVersion;
  readonly audit: LevelVersion;
  readonly warn: LevelVersion;
}

const prefix = 'pod-security.kubernetes.io/';
const levels: readonly Level[] = ['privileged', 'baseline', 'restricted'];
const nothing: LevelVersion = { level: 'privileged', version: 'latest' };
const noPolicy: { policy: Policy; causes: StatusCause[] } = {
  policy: { enforce: nothing, audit: nothing, warn: nothing },
  causes: [],
};
const known = new WeakMap<object, { policy: Policy; causes: StatusCause[] }>();

export function formatLevel({ level, version }: LevelVersion): string {
  return `${level}:${version}`;
}

export function minorOf({ version }: LevelVersion): number {
  return version === 'latest' ? Number.POSITIVE_INFINITY : Number(version.slice('v1.'.length));
}

export function isStricter(a: Level, b: Level): boolean {
  return levels.indexOf(a) > levels.indexOf(b);
}

/** A mistake in a label enforces the strictest, and warns of and records nothing. */
export function policyOf(labels: Readonly<Record<string, string>> | undefined): {
  policy: Policy;
  causes: StatusCause[];
} {
  if (labels === undefined) return noPolicy;
  let found = known.get(labels);
  if (found === undefined) {
    found = Object.keys(labels).some((name) => name.startsWith(prefix)) ? read(labels) : noPolicy;
    known.set(labels, found);
  }
  return found;
}

function read(labels: Readonly<Record<string, string>>): { policy: Policy; causes: StatusCause[] } {
  const causes: StatusCause[] = [];
  const modeOf = (mode: string, instead: Level) => {
    const [level, version] = [labels[prefix + mode], labels[`${prefix}${mode}-version`]];
    const validLevel = level === undefined || levels.includes(level as Level);
    const validVersion = version === undefined || version === 'latest' || /^v1\.(0|[1-9]\d*)$/.test(version);
    if (!validLevel) causes.push(wrong(prefix + mode, level, `must be one of ${levels.join(', ')}`));
    if (!validVersion) causes.push(wrong(`${prefix}${mode}-version`, version, 'must be "latest" or "v1.x"'));
    return {
      level: validLevel ? ((level ?? 'privileged') as Level) : instead,
      version: (validVersion && version) || 'latest',
      said: level !== undefined && validLevel,
      versioned: version !== undefined,
    };
  };
  const [enforce, audit] = [modeOf('enforce', 'restricted'), modeOf('audit', 'privileged')];
  const saysWarn = labels[`${prefix}warn`] !== undefined;
  const own = modeOf('warn', 'privileged');
  // who enforces is warned of the same, unless told otherwise
  const follows = !saysWarn && enforce.said && isStricter(enforce.level, own.level);
  const warn = follows ? { level: enforce.level, version: own.versioned ? own.version : enforce.version } : own;
  const plain = ({ level, version }: LevelVersion) => ({ level, version });
  return { policy: { enforce: plain(enforce), audit: plain(audit), warn: plain(warn) }, causes };
}

function wrong(label: string, value: unknown, detail: string): StatusCause {
  return cause.invalid(`metadata.labels[${label}]`, value, detail);
}
