import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { type Addresses, fileAddresses } from './addresses.ts';
import { parseCidr } from './ipv4.ts';

function fileFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'addresses-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'nested', 'addresses.json');
}
async function take(addresses: Addresses, owner: string): Promise<string> {
  const taken = addresses.take(owner);
  await taken.saved;
  return taken.address;
}
const range = parseCidr('10.244.0.0/29', 'podCIDR');

test('the first address is the bridge, so the first pod gets the second', async (t) => {
  const addresses = fileAddresses(fileFor(t), range, 2);
  assert.equal(await take(addresses, 'a'), '10.244.0.2');
  assert.equal(await take(addresses, 'a'), '10.244.0.2');
  assert.equal(await take(addresses, 'b'), '10.244.0.3');
});

test('a freed address is the last to be given out again', async (t) => {
  const addresses = fileAddresses(fileFor(t), range, 2);
  await take(addresses, 'a');
  await take(addresses, 'b');
  await addresses.free('a');
  await addresses.free('a');
  const later = [
    await take(addresses, 'c'),
    await take(addresses, 'd'),
    await take(addresses, 'e'),
    await take(addresses, 'f'),
  ];
  assert.deepEqual(later, ['10.244.0.4', '10.244.0.5', '10.244.0.6', '10.244.0.2']);
});

test('a restart knows who has what, and what was freed last', async (t) => {
  const file = fileFor(t);
  const before = fileAddresses(file, range, 2);
  await Promise.all(['a', 'b', 'c', 'd', 'e'].map((owner) => take(before, owner)));
  await before.free('d');
  await before.free('b');
  const after = fileAddresses(file, range, 2);
  assert.equal(after.get('a'), '10.244.0.2');
  assert.deepEqual(after.owners(), ['a', 'c', 'e']);
  assert.deepEqual([await take(after, 'x'), await take(after, 'y')], ['10.244.0.5', '10.244.0.3']);
});

test('a full range says so, and who asked', async (t) => {
  const addresses = fileAddresses(fileFor(t), range, 2);
  for (const owner of ['a', 'b', 'c', 'd', 'e']) await take(addresses, owner);
  assert.throws(() => addresses.take('f'), /no address is left in 10\.244\.0\.0\/29 for f \(5 in use\)/);
});

test('a damaged file is told and begun anew', (t) => {
  const file = fileFor(t).replace('nested/', '');
  writeFileSync(file, '{"taken":');
  const told: string[] = [];
  assert.deepEqual(fileAddresses(file, range, 2, (name) => told.push(name)).owners(), []);
  assert.deepEqual(told, [file]);
});

test('ranges are checked', () => {
  assert.throws(() => parseCidr('10.244.0.1/24', 'podCIDR'), /podCIDR: .*write it as 10\.244\.0\.0\/24/);
  assert.throws(() => parseCidr('10.244.0.0', 'podCIDR'), /not an IPv4 range/);
  assert.throws(() => parseCidr('10.244.0.0/33', 'podCIDR'), /not an IPv4 range/);
});
