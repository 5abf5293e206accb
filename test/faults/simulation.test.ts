/**
 * Some hundred clusters in virtual time, each from a seed, with everything going wrong that can (see src/testing/simulation). A seed that fails is
 * replayed, with all that happened in it, by `npm run simulate -- --profile NAME --seed N --tell`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { profiles, simulate } from '../../src/testing/simulation/index.ts';

const seeds = 30;
/** Virtual milliseconds of trouble. */
const duration = 240_000;

for (const profile of profiles)
  test(`nothing that must hold is broken, and all comes to rest: ${profile.name}`, { timeout: 300_000 }, async (t) => {
    let elapsed = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const outcome = await simulate({ seed, profile, duration });
      assert.deepEqual(outcome.violations, [], `profile ${profile.name}, seed ${seed}`);
      elapsed += outcome.elapsed;
    }
    t.diagnostic(`${seeds} clusters, ${(elapsed / 3_600_000).toFixed(1)} cluster-hours`);
  });

test('the same seed gives the same run', { timeout: 60_000 }, async () => {
  const run = { seed: 7, profile: profiles.at(-1)!, duration };
  const [first, again] = [await simulate(run), await simulate(run)];
  assert.equal(first.digest, again.digest);
  assert.ok(first.writes > 100, `${first.writes} writes`);
});
