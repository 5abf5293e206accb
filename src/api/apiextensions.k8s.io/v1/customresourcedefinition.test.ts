import assert from 'node:assert/strict';
import test from 'node:test';
import type { CustomResourceDefinition } from '../../gen/types.ts';
import { customResourceDefinition } from './customresourcedefinition.ts';

const at = 'spec.versions[0].schema.openAPIV3Schema';

function definition(schema: object, more: object = {}, version: object = {}): CustomResourceDefinition {
  const object = {
    metadata: { name: 'crontabs.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'crontabs', kind: 'CronTab' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, ...version }],
      ...more,
    },
  } as CustomResourceDefinition;
  customResourceDefinition.default!(object);
  customResourceDefinition.prepare!(object, undefined);
  return object;
}

const toldOf = (object: CustomResourceDefinition, old?: CustomResourceDefinition) =>
  customResourceDefinition.validate!(object, old).map(({ field, message }) => `${field}: ${message}`);
const inX = (x: object) => ({ type: 'object', properties: { x } });

test('a schema that is structural passes', () => {
  const schema = inX({
    type: 'object',
    properties: {
      any: { 'x-kubernetes-preserve-unknown-fields': true },
      port: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
      many: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
      map: { type: 'object', additionalProperties: { type: 'integer', default: 1 } },
      one: { type: 'string', default: 'a', oneOf: [{ pattern: 'a' }, { pattern: 'b' }] },
      other: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
    },
  });
  assert.deepEqual(toldOf(definition(schema)), []);
});

const x = `${at}.properties[x]`;
const refused: [string, object, string[]][] = [
  [
    'a root that is no object',
    { type: 'array', items: { type: 'string' } },
    [`${at}.type: Invalid value: "array": must be object at the root`],
  ],
  ['a field without a type', inX({}), [`${x}.type: Required value: must not be empty for specified object fields`]],
  ['a list without items', inX({ type: 'array' }), [`${x}.items: Required value: must be specified`]],
  [
    'null as a type',
    inX({ type: 'null' }),
    [`${x}.type: Forbidden: type cannot be set to null, use nullable as an alternative`],
  ],
  [
    'properties and additional ones',
    inX({ type: 'object', properties: { a: { type: 'string' } }, additionalProperties: { type: 'string' } }),
    [`${x}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`],
  ],
  [
    'a type under allOf',
    inX({ type: 'string', allOf: [{ type: 'string' }] }),
    [`${x}.allOf[0].type: Forbidden: must be empty to be structural`],
  ],
  [
    'a field that is only under allOf',
    { type: 'object', allOf: [{ properties: { y: { maxLength: 1 } } }] },
    [`${at}.properties[y]: Required value: because it is defined in ${at}.allOf[0].properties[y]`],
  ],
  [
    'unique items',
    inX({ type: 'array', items: { type: 'string' }, uniqueItems: true }),
    [`${x}.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic`],
  ],
  [
    'more of metadata than its name',
    { type: 'object', properties: { metadata: { type: 'object', properties: { labels: { type: 'object' } } } } },
    [
      `${at}.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified`,
    ],
  ],
  [
    'a default of the wrong type',
    inX({ type: 'integer', default: 'a' }),
    [`${x}.default: Invalid value: "string": ${x}.default in body must be of type integer: "string"`],
  ],
  [
    'a default with unknown fields',
    inX({ type: 'object', default: { nope: 1 } }),
    [`${x}.default: Invalid value: {"nope":1}: must not have unknown fields`],
  ],
  [
    'a key that can be absent',
    inX({
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['k'],
      items: { type: 'object', properties: { k: { type: 'string' } } },
    }),
    [
      `${x}.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`,
    ],
  ],
  [
    'a set of objects that merge',
    inX({ type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'object' } }),
    [
      `${x}.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set`,
    ],
  ],
];
for (const [what, schema, told] of refused)
  test(`refuses ${what}`, () => assert.deepEqual(toldOf(definition(schema)), told));

test('a schema that was accepted once is not looked at again', () => {
  const old = definition(inX({}));
  assert.notDeepEqual(toldOf(old), []);
  assert.deepEqual(toldOf(definition(inX({})), old), []);
});

test('versions: warnings, selectable fields, groups of the community', () => {
  const fine = inX({ type: 'string' });
  assert.deepEqual(toldOf(definition(fine, {}, { deprecationWarning: 'old' })), [
    'spec.versions[0].deprecationWarning: Invalid value: "old": can only be set for deprecated versions',
  ]);
  assert.deepEqual(toldOf(definition(fine, {}, { selectableFields: [{ jsonPath: '.x' }] })), []);
  const [told] = toldOf(definition(fine, {}, { selectableFields: [{ jsonPath: '.y' }] }));
  assert.match(told!, /selectableFields\[0\].jsonPath: .*does not refer to a valid field/);
  const community = definition(fine, { group: 'x.k8s.io' });
  community.metadata.name = 'crontabs.x.k8s.io';
  assert.match(toldOf(community)[0]!, /metadata.annotations\[api-approved.kubernetes.io\]: Required value/);
  community.metadata.annotations = { 'api-approved.kubernetes.io': 'https://github.com/kubernetes/kubernetes/pull/1' };
  assert.deepEqual(toldOf(community), []);
});
