import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { definition, definitions, established } from '../../crd/testkit/index.ts';
import { type Answered, defaultAccount, type Door, openDoor, pod } from '../../testkit/index.ts';
import { parseExposition, valueOf } from '../../../machinery/testkit/exposition.ts';
import { patching, type Responder, startResponder } from '../testkit/index.ts';

const configurations = (sort: string) => `/apis/admissionregistration.k8s.io/v1/${sort}webhookconfigurations`;
const group = 'hooked.example.com';
const at = (version: string) => `/apis/${group}/${version}/namespaces/default/things`;

const schema = {
  openAPIV3Schema: {
    type: 'object',
    properties: {
      data: { type: 'object', properties: { a: { type: 'string' }, b: { type: 'string', default: 'made' } } },
    },
  },
};

describe('webhooks and what has no kind of its own', () => {
  let door: Door;
  let responder: Responder;
  before(async () => {
    door = await openDoor();
    responder = await startResponder();
    await defaultAccount(door);
    const body = definition({
      group,
      plural: 'things',
      kind: 'Thing',
      versions: [
        { name: 'v1', schema },
        { name: 'v2', schema },
      ],
    });
    await door.ask('POST', definitions, { body });
    await established(door, `things.${group}`);
  });
  after(async () => {
    await responder[Symbol.asyncDispose]();
    await door[Symbol.asyncDispose]();
  });

  async function under(sort: string, rule: object, act: () => Promise<unknown>): Promise<void> {
    responder.asked.length = 0;
    const all = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['things'] };
    const made = await door.ask('POST', configurations(sort), {
      body: {
        metadata: { name: 'w' },
        webhooks: [
          {
            name: 'w.example.com',
            clientConfig: { url: responder.url, caBundle: responder.caBundle },
            rules: [{ ...all, ...rule }],
            sideEffects: 'None',
            admissionReviewVersions: ['v1'],
          },
        ],
      },
    });
    assert.equal(made.status, 201, made.text);
    await act();
    await door.ask('DELETE', `${configurations(sort)}/w`);
  }
  const create = (name: string, version = 'v1'): Promise<Answered> =>
    door.ask('POST', at(version), {
      body: { apiVersion: `${group}/${version}`, kind: 'Thing', metadata: { name }, data: {} },
    });

  test('a custom resource is changed, pruned and defaulted', () =>
    under('mutating', {}, async () => {
      responder.answer(() =>
        patching({ op: 'add', path: '/data/a', value: 'hooked' }, { op: 'add', path: '/data/unknown', value: 'x' }),
      );
      const { body } = await create('a');
      assert.deepEqual(body.data, { a: 'hooked', b: 'made' });
    }));

  test('a rule for one version sees what is written in another', () =>
    under('mutating', { apiVersions: ['v2'] }, async () => {
      responder.answer(() => patching({ op: 'add', path: '/data/a', value: 'by v2' }));
      const { body } = await create('b');
      assert.deepEqual([body.apiVersion, body.data.a], [`${group}/v1`, 'by v2']);
      assert.equal(responder.asked[0]!.object.apiVersion, `${group}/v2`);
    }));

  test('creating, changing and deleting can be denied', async () => {
    responder.answer(() => ({ allowed: true }));
    await create('c');
    await under('validating', {}, async () => {
      responder.answer(() => ({ allowed: false, status: { message: 'no' } }));
      const headers = { 'content-type': 'application/merge-patch+json' };
      for (const answer of [
        await create('d'),
        await door.ask('PATCH', `${at('v2')}/c`, { body: { data: { a: '2' } }, headers }),
        await door.ask('DELETE', `${at('v1')}/c`),
        await door.ask('DELETE', at('v1')),
      ]) {
        assert.equal(answer.status, 400, answer.text);
        assert.equal(answer.body.message, 'admission webhook "w.example.com" denied the request: no');
      }
      const told = parseExposition((await door.ask('GET', '/metrics')).text);
      const by = { name: 'w.example.com', type: 'validating', operation: 'CREATE' };
      const refused = { ...by, error_type: 'no_error', rejection_code: '400' };
      assert.equal(valueOf(told, 'apiserver_admission_webhook_rejection_count', refused), 1);
      assert.equal(
        valueOf(told, 'apiserver_admission_webhook_request_total', { ...by, code: '400', rejected: 'true' }),
        1,
      );
    });
  });

  test('a definition can be denied', () =>
    under('validating', { resources: ['customresourcedefinitions'] }, async () => {
      responder.answer(() => ({ allowed: false }));
      const body = definition({ group: 'other.example.com', plural: 'others', kind: 'Other' });
      assert.equal((await door.ask('POST', definitions, { body })).status, 400);
    }));

  test('attaching to a pod can be denied', () =>
    under('validating', { operations: ['CONNECT'], resources: ['pods/attach'] }, async () => {
      responder.answer(() => ({ allowed: false, status: { message: 'no attaching' } }));
      const pods = '/api/v1/namespaces/default/pods';
      await door.ask('POST', pods, { body: pod('p') });
      const { status, body } = await door.ask('POST', `${pods}/p/attach?container=c&stdin=true`);
      assert.equal(status, 400);
      assert.match(body.message, /denied the request: no attaching/);
      const [asked] = responder.asked;
      assert.deepEqual(
        [asked!.operation, asked!.subResource, asked!.object.kind, asked!.object.stdin],
        ['CONNECT', 'attach', 'PodAttachOptions', true],
      );
    }));
});
