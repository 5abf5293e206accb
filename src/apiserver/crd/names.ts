/** Which names a definition gets: those that no other definition of its group has. What it has, it keeps. */
import type { CustomResourceDefinition, CustomResourceDefinitionNames } from '../../api/index.ts';
import { equalJson } from '../../machinery/index.ts';

export interface Naming {
  readonly accepted: CustomResourceDefinitionNames;
  /** The `NamesAccepted` condition, without its time. */
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

interface Taken {
  readonly resources: ReadonlySet<string>;
  readonly kinds: ReadonlySet<string>;
}

/** `others`: the other definitions of the same group. */
export function namingOf(definition: CustomResourceDefinition, others: Iterable<CustomResourceDefinition>): Naming {
  const wanted = definition.spec.names;
  const before: Partial<CustomResourceDefinitionNames> = definition.status?.acceptedNames ?? {};
  const accepted: Partial<CustomResourceDefinitionNames> = { ...before };
  const taken = takenBy(others);
  let problem: { reason: string; message: string } | undefined;
  for (const [field, reason, used] of [
    ['plural', 'PluralConflict', taken.resources],
    ['singular', 'SingularConflict', taken.resources],
    ['kind', 'KindConflict', taken.kinds],
    ['listKind', 'ListKindConflict', taken.kinds],
  ] as const) {
    const name = wanted[field];
    if (name !== undefined && name !== before[field] && used.has(name))
      problem = { reason, message: `${JSON.stringify(name)} is already in use` };
    else if (name !== undefined) accepted[field] = name;
  }
  if (!equalJson(wanted.shortNames ?? [], before.shortNames ?? [])) {
    const conflicts = (wanted.shortNames ?? []).filter(
      (name) => !before.shortNames?.includes(name) && taken.resources.has(name),
    );
    const told = conflicts.map((name) => `${JSON.stringify(name)} is already in use`);
    if (told.length > 0)
      problem = { reason: 'ShortNamesConflict', message: told.length === 1 ? told[0]! : `[${told.join(', ')}]` };
    else accepted.shortNames = wanted.shortNames;
  }
  accepted.categories = wanted.categories;
  const names = withoutAbsent(accepted);
  if (problem !== undefined) return { accepted: names, status: 'False', ...problem };
  return { accepted: names, status: 'True', reason: 'NoConflicts', message: 'no conflicts found' };
}

function takenBy(others: Iterable<CustomResourceDefinition>): Taken {
  const resources = new Set<string>();
  const kinds = new Set<string>();
  for (const { status } of others) {
    const names = status?.acceptedNames;
    if (names === undefined) continue;
    for (const name of [names.plural, names.singular, ...(names.shortNames ?? [])]) if (name) resources.add(name);
    for (const name of [names.kind, names.listKind]) if (name) kinds.add(name);
  }
  return { resources, kinds };
}

/** `plural` and `kind` are required in what is stored, and empty when they were not accepted. */
function withoutAbsent(names: Partial<CustomResourceDefinitionNames>): CustomResourceDefinitionNames {
  const { plural = '', kind = '', ...others } = names;
  return { ...Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined)), plural, kind };
}
