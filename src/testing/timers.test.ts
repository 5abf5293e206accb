import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from './index.ts';

test('timers fire when they are due, in the order they were set, and not once cancelled', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ after: fc.nat(50), cancelled: fc.boolean() }), { maxLength: 40 }),
      async (set) => {
        const clock = new VirtualClock();
        const fired: number[] = [];
        for (const [i, { after, cancelled }] of set.entries()) {
          const timer = clock.after(after, () => fired.push(i));
          if (cancelled) timer.cancel();
        }
        const kept = set.flatMap(({ after, cancelled }, i) => (cancelled ? [] : [{ after, i }]));
        const wanted = kept.toSorted((a, b) => a.after - b.after || a.i - b.i).map(({ i }) => i);
        await clock.advance(50);
        assert.deepEqual(fired, wanted);
      },
    ),
    { numRuns: 60 },
  );
});
