import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../testing/index.ts';
import type { Probe } from '../kinds.ts';
import { Prober, type ProbeType } from './prober.ts';

/** Tries against something that begins to answer at `goodAt` milliseconds. */
async function tried(probe: Probe, type: ProbeType, goodAt: number, until: number) {
  const clock = new VirtualClock();
  const seen = { tries: [] as number[], failures: [] as number[], results: [] as [number, boolean][] };
  const began = clock.monotonic();
  const now = () => clock.monotonic() - began;
  const prober = new Prober({
    clock,
    probe,
    type,
    startedAt: clock.now(),
    initial: false,
    attempt: async () => {
      seen.tries.push(now());
      return { ok: now() >= goodAt, output: 'refused' };
    },
    onFailure: () => seen.failures.push(now()),
    onResult: (good) => seen.results.push([now(), good]),
  });
  prober.start();
  await clock.advance(until);
  prober.stop();
  return seen;
}

const httpGet = { port: 80 };

test('what is not ready yet is asked again soon, without that being told as failures', async () => {
  const { tries, failures, results } = await tried({ httpGet, periodSeconds: 10 }, 'readiness', 60, 25_000);
  assert.deepEqual(tries, [0, 5, 15, 35, 75, 10_000, 20_000]);
  assert.deepEqual(failures, [0]);
  assert.deepEqual(results, [[75, true]]);
});

test('what never answers is asked at its period, and told so', async () => {
  const { tries, failures } = await tried({ httpGet, periodSeconds: 1 }, 'readiness', Infinity, 3_500);
  assert.deepEqual(failures, [0, 1000, 2000, 3000]);
  assert.ok(tries.length < 16, `${tries}`);
});

test('commands inside, startup probes and probes that want several successes keep to their period', async () => {
  const command = await tried({ exec: { command: ['true'] }, periodSeconds: 1 }, 'readiness', 500, 2_500);
  assert.deepEqual(command.tries, [0, 1000, 2000]);
  const startup = await tried({ httpGet, periodSeconds: 1 }, 'startup', 500, 2_500);
  assert.deepEqual(startup.tries, [0, 1000]);
  const twice = await tried({ httpGet, periodSeconds: 1, successThreshold: 2 }, 'readiness', 500, 2_500);
  assert.deepEqual(twice.results, [[2000, true]]);
});
