import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kinds } from '../../index.ts';

const kindOf = (name: string) => kinds.find(({ group, kind }) => group === 'scheduling.k8s.io' && kind === name)!;
const problems = (kind: string, spec: object, old?: object) => {
  const object = (of: object) => ({ metadata: { name: 'x', namespace: 'n' }, spec: of }) as never;
  return kindOf(kind).validate!(object(spec), old && object(old)).map(({ field, message }) => `${field}: ${message}`);
};
const gang = (minCount: number) => ({ schedulingPolicy: { gang: { minCount } } });
const basic = { schedulingPolicy: { basic: {} } };

const groups: [name: string, spec: object, expected: string[]][] = [
  ['a gang of one or more', gang(1), []],
  ['no gang', basic, []],
  ['a gang of none', gang(0), ['spec.schedulingPolicy.gang.minCount: Required value']],
  [
    'a gang of less than none',
    gang(-1),
    ['spec.schedulingPolicy.gang.minCount: Invalid value: -1: must be greater than or equal to 1'],
  ],
  [
    'both policies',
    { schedulingPolicy: { basic: {}, gang: { minCount: 1 } } },
    ['spec.schedulingPolicy: Invalid value: "{basic, gang}": must specify exactly one of: `basic`, `gang`'],
  ],
  [
    'no policy',
    { schedulingPolicy: {} },
    ['spec.schedulingPolicy: Invalid value: "": must specify exactly one of: `basic`, `gang`'],
  ],
  [
    'what nobody acts on',
    { ...basic, priority: 7 },
    ['spec.priority: Forbidden: this cluster does not act on it; leave it out'],
  ],
  [
    'a reference without a name',
    { ...basic, podGroupTemplateRef: { workload: { podGroupTemplateName: 'a' } } },
    ['spec.podGroupTemplateRef.workload.workloadName: Required value'],
  ],
];

for (const [name, spec, expected] of groups)
  test(`a pod group: ${name}`, () => assert.deepEqual(problems('PodGroup', spec), expected));

test('a pod group keeps its policy', () => {
  assert.deepEqual(
    problems('PodGroup', gang(3), gang(2)).map((text) => text.replace(/Invalid value: .*: /, '')),
    ['spec.schedulingPolicy: field is immutable'],
  );
});

test('a workload has one to eight templates, each with a name of its own, and keeps them', () => {
  const made = (...names: string[]) => ({ podGroupTemplates: names.map((name) => ({ name, ...basic })) });
  const told = (spec: object, old?: object) => problems('Workload', spec, old);
  assert.deepEqual(told(made('a', 'b')), []);
  assert.deepEqual(told(made()), ['spec.podGroupTemplates: Required value']);
  assert.deepEqual(told(made('a', 'a')), ['spec.podGroupTemplates[1]: Duplicate value: "a"']);
  assert.match(told(made(...'abcdefghi'))[0]!, /^spec\.podGroupTemplates: Too many: 9: must have at most 8 items/);
  assert.match(told(made('A_'))[0]!, /^spec\.podGroupTemplates\[0\]\.name: Invalid value: "A_"/);
  assert.match(told(made('b'), made('a'))[0]!, /field is immutable$/);
});
