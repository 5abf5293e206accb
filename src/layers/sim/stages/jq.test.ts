import assert from 'node:assert/strict';
import test from 'node:test';
import { compileQuery } from './jq.ts';

const node = {
  metadata: { annotations: { 'a.b/c': '5' }, ownerReferences: [{ kind: 'Job' }] },
  status: {
    phase: 'Running',
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'X', status: 'False' },
    ],
    n: [1, 2, 3],
  },
};

const cases: [string, unknown[]][] = [
  ['.status.phase', ['Running']],
  ['.', [node]],
  ['.status.nothing.further', [null]],
  ['.metadata.annotations["a.b/c"]', ['5']],
  ['.metadata.annotations["a.b/c"] | tonumber + 1', [6]],
  ['.status.conditions.[] | select( .type == "Ready" ) | .status', ['True']],
  ['.status.conditions[].type', ['Ready', 'X']],
  ['.metadata.ownerReferences.[].kind', ['Job']],
  ['.status.n[1], .status.n[-1]', [2, 3]],
  ['.a // .status.phase', ['Running']],
  ['[.status.n[] | . * 2]', [[2, 4, 6]]],
  ['.status.conditions | any(.status == "False")', [true]],
  ['.status.conditions | map(.type) | join(",")', ['Ready,X']],
  ['if .status.phase == "Running" then "up" elif .x then "x" else "down" end', ['up']],
  ['.status.phase == "Running" and (.status.n | length > 2) or false', [true]],
  ['.status.phase | startswith("Run") | not', [false]],
  ['.status | has("phase")', [true]],
  ['.status.phase[]?', []],
  ['-1 + 3 * 2', [5]],
];

for (const [query, wanted] of cases)
  test(`a query: ${query}`, () => assert.deepEqual(compileQuery(query)(node), wanted));

test('iterating over what is not there stumbles', () => assert.throws(() => compileQuery('.a[]')(node)));

for (const [query, why] of [
  ['.a |', /something is missing at its end/],
  ['nothing(.a)', /the function nothing is not known: there are all, any/],
  ['.a = 1', /not understood/],
  ['.a)', /not understood here/],
] as const)
  test(`a query is refused: ${query}`, () => assert.throws(() => compileQuery(query), why));
