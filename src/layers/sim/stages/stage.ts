/** Stages, read and checked once: which objects they are for, when they come, and what they do. */
import { type Kind, kindOfGvk } from '../../../api/index.ts';
import type { AnyObject, Random } from '../../../machinery/index.ts';
import { type Drawn, drawn, readDuration, readWhole, type Refuse, selectorOf } from './expression.ts';
import {
  isStage,
  type StageApply,
  type StageDelay,
  StageError,
  type StageEvent,
  type StageFinalizers,
  type StageObject,
  type StagePatch,
  type StageSpec,
  type StageStep,
} from './kinds.ts';
import {
  compileTemplate,
  standardFunctions,
  type Template,
  TemplateError,
  type TemplateFunctions,
} from './template/index.ts';

export interface Step {
  event?: StageEvent;
  finalizers?: StageFinalizers;
  patch?: Omit<StagePatch, 'template'> & { render: Template };
  apply?: Omit<StageApply, 'template'> & { render: Template };
  delete?: boolean;
}

export interface Stage {
  readonly name: string;
  readonly kind: Kind;
  matches(object: AnyObject): boolean;
  /** Undefined: the object says nothing that can be read. */
  weight(object: AnyObject): number | undefined;
  /** Milliseconds. */
  delay(object: AnyObject, now: number, random: Random): number;
  readonly steps: readonly Step[];
  readonly immediateNextStage: boolean;
}

/** Reads all Stages among these documents, in order; a Stage without a selector never applies. Throws a `StageError`. */
export function readStages(documents: readonly AnyObject[], functions: TemplateFunctions): Stage[] {
  const all = documents.flatMap((one) =>
    (one.kind ?? '').endsWith('List') ? ((one.items as AnyObject[]) ?? []) : [one],
  );
  const stages = all.filter(isStage) as unknown as StageObject[];
  return stages.filter(({ spec }) => spec?.selector !== undefined).map((one) => readStage(one, functions));
}

const fields = {
  spec: ['resourceRef', 'selector', 'weight', 'weightFrom', 'delay', 'next', 'steps', 'immediateNextStage'],
  next: ['event', 'finalizers', 'patches', 'statusTemplate', 'statusSubresource', 'statusPatchAs', 'delete'],
  step: ['event', 'finalizers', 'patch', 'apply', 'delete'],
  delay: ['durationMilliseconds', 'durationFrom', 'jitterDurationMilliseconds', 'jitterDurationFrom'],
};

function readStage({ metadata, spec }: StageObject, functions: TemplateFunctions): Stage {
  const name = metadata?.name ?? '';
  const refuse: Refuse = (field, why) => {
    throw new StageError(name, field, why);
  };
  known(spec, 'spec', fields.spec, refuse);
  const kind = kindFor(spec, refuse);
  const { weight = 0, delay = {} } = spec;
  if (!Number.isInteger(weight) || weight < 0) refuse('spec.weight', `${weight}: a whole number from 0 on is expected`);
  const weightOf = drawn(spec.weightFrom, weight, readWhole, 'spec.weightFrom', refuse);
  return {
    name,
    kind,
    matches: selectorOf(spec.selector!, refuse),
    weight: (object) => weightOf(object, 0),
    delay: delayOf(delay, refuse),
    steps: stepsOf(spec, refuse).map(([field, step]) => readStep(field, step, refuse, functions)),
    immediateNextStage: spec.immediateNextStage ?? false,
  };
}

function known(object: object | undefined, field: string, names: readonly string[], refuse: Refuse): void {
  for (const name of Object.keys(object ?? {}))
    if (!names.includes(name)) refuse(`${field}.${name}`, `there is no such field: there are ${names.join(', ')}`);
}

function kindFor({ resourceRef }: StageSpec, refuse: Refuse): Kind {
  const { apiGroup = 'v1', kind } = resourceRef ?? {};
  const [version = '', group = ''] = apiGroup.split('/').toReversed();
  const found = kindOfGvk({ group, version, kind });
  return (
    found ??
    refuse(
      'spec.resourceRef',
      `${apiGroup} ${kind} is not a built-in kind: apiGroup is "v1" or a group with its version, as "apps/v1"`,
    )
  );
}

function delayOf(delay: StageDelay, refuse: Refuse): Stage['delay'] {
  known(delay, 'spec.delay', fields.delay, refuse);
  for (const field of ['durationMilliseconds', 'jitterDurationMilliseconds'] as const)
    if (delay[field] !== undefined && !(Number(delay[field]) >= 0))
      refuse(`spec.delay.${field}`, `${delay[field]}: a number of milliseconds from 0 on is expected`);
  const of = (from: StageDelay['durationFrom'], standard: number | undefined, field: string): Drawn =>
    drawn(from, standard, readDuration, `spec.delay.${field}`, refuse);
  const duration = of(delay.durationFrom, delay.durationMilliseconds ?? 0, 'durationFrom');
  const jitter = of(delay.jitterDurationFrom, delay.jitterDurationMilliseconds, 'jitterDurationFrom');
  return (object, now, random) => {
    const least = duration(object, now);
    if (least === undefined) return 0;
    const most = jitter(object, now);
    if (most === undefined) return Math.max(0, least);
    return Math.max(0, most <= least ? most : least + Math.floor(random.next() * (most - least)));
  };
}

/** With the field that each comes from. The older `next` is the same in another order of words. */
function stepsOf({ steps, next }: StageSpec, refuse: Refuse): [string, StageStep][] {
  if (steps !== undefined && steps.length > 0) return steps.map((step, i) => [`spec.steps[${i}]`, step]);
  if (next === undefined) return [];
  known(next, 'spec.next', fields.next, refuse);
  const made: [string, StageStep][] = [];
  if (next.event) made.push(['spec.next', { event: next.event }]);
  if (next.finalizers) made.push(['spec.next', { finalizers: next.finalizers }]);
  if (next.statusPatchAs) refuse('spec.next.statusPatchAs', impersonation);
  if (next.patches?.length)
    for (const [i, patch] of next.patches.entries()) made.push([`spec.next.patches[${i}]`, { patch }]);
  else if (next.statusTemplate)
    made.push([
      'spec.next.statusTemplate',
      { patch: { subresource: next.statusSubresource ?? 'status', root: 'status', template: next.statusTemplate } },
    ]);
  if (next.delete) made.push(['spec.next', { delete: true }]);
  return made;
}

const impersonation = 'nobody is impersonated here, all is written as the administrator: leave it out';

function readStep(field: string, step: StageStep, refuse: Refuse, functions: TemplateFunctions): Step {
  known(step, field, fields.step, refuse);
  const { patch, apply, ...rest } = step;
  if (patch?.impersonation ?? apply?.impersonation) refuse(`${field}.impersonation`, impersonation);
  const types = patch ? ['json', 'merge', 'strategic'] : ['apply', 'merge', 'strategic'];
  const type = patch?.type ?? apply?.type;
  if (type !== undefined && !types.includes(type))
    refuse(`${field}.type`, `${JSON.stringify(type)}: choose ${types.join(', ')}`);
  const render = (template: string) => {
    try {
      return compileTemplate(String(template ?? '').trim(), { ...standardFunctions, ...functions });
    } catch (error) {
      if (error instanceof TemplateError) return refuse(field, error.message);
      throw error;
    }
  };
  return {
    ...rest,
    ...(patch && { patch: { ...patch, render: render(patch.template) } }),
    ...(apply && { apply: { ...apply, render: render(apply.template) } }),
  };
}

/** Which of those that match comes next: drawn by their weights, evenly where nobody has one. */
export function choose(stages: readonly Stage[], object: AnyObject, random: Random): Stage | undefined {
  const matching = stages.filter((stage) => stage.matches(object));
  if (matching.length < 2) return matching[0];
  const weights = matching.map((stage) => stage.weight(object));
  const total = weights.reduce<number>((sum, weight) => sum + (weight ?? 0), 0);
  if (total === 0) {
    const able = matching.filter((_, i) => weights[i] !== undefined);
    const from = able.length > 0 ? able : matching;
    return from[Math.floor(random.next() * from.length)];
  }
  let left = random.next() * total;
  return matching.find((_, i) => (left -= weights[i] ?? 0) < 0) ?? matching.at(-1);
}
