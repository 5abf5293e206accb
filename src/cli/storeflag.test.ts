import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from './errors.ts';
import { storePlaceOf } from './storeflag.ts';

test('the names of what is built in', () => {
  assert.equal(storePlaceOf('embedded'), 'embedded');
  assert.equal(storePlaceOf('memory'), 'memory');
});

test('an etcd of several members, with a prefix and certificates', () => {
  assert.deepEqual(storePlaceOf('etcd://127.0.0.1:2379'), { endpoints: ['127.0.0.1:2379'], prefix: '' });
  assert.deepEqual(storePlaceOf('etcd://a:1,[::1]:2/glass?ca=/ca.pem&cert=c.pem&key=k.pem'), {
    endpoints: ['a:1', '[::1]:2'],
    prefix: '/glass',
    tls: { ca: '/ca.pem', certificate: 'c.pem', key: 'k.pem' },
  });
});

for (const [flag, why] of [
  ['sqlite', /choose embedded, memory or etcd:/],
  ['etcd://', /choose embedded, memory or etcd:/],
  ['etcd://a', /"a" is not HOST:PORT/],
  ['etcd://user:secret@a:1', /is not HOST:PORT/],
  ['etcd://a:1?password=x', /"password" is not one of ca, cert and key/],
  ['etcd://a:1?cert=c.pem', /cert and key go together/],
] as const)
  test(`${flag} is refused`, () => {
    assert.throws(
      () => storePlaceOf(flag),
      (error: Error) => error instanceof UsageError && why.test(error.message),
    );
  });
