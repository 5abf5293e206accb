import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../machinery/index.ts';
import { runtimeSuite } from './runtime.suite.ts';
import { simRuntime } from './sim.ts';
import { containerConfig, manualClock, realClock, sandboxConfig } from './testkit/fixture.ts';

runtimeSuite('sim', async () => ({
  runtime: simRuntime({ clock: realClock, random: seededRandom(1) }),
  directory: '/nowhere',
  programs: false,
  entersRootfs: false,
  dispose: async () => undefined,
}));

describe('sim, in virtual time', () => {
  const annotations = {
    'sim.glasshouse.dev/run-milliseconds': '60000',
    'sim.glasshouse.dev/exit-code.main': '3',
    'sim.glasshouse.dev/log': 'hello',
  };
  const play = async () => {
    const clock = manualClock();
    const told: string[] = [];
    const runtime = simRuntime({ clock, random: seededRandom(7), log: (_, line) => told.push(line) });
    runtime.onEvent(({ type }) => told.push(`${clock.now()} ${type}`));
    const sandbox = await runtime.runPodSandbox(sandboxConfig({ annotations }));
    const id = await runtime.createContainer(sandbox.id, containerConfig('/nowhere', ['server']));
    const start = runtime.startContainer(id);
    await clock.advance(30);
    await start;
    assert.equal((await runtime.containerStatus(id))?.state, 'Running');
    await clock.advance(59_000);
    assert.equal((await runtime.containerStatus(id))?.state, 'Running');
    await clock.advance(2000);
    assert.equal((await runtime.containerStatus(id))?.exitCode, 3);
    return told;
  };

  it('ends a container when its annotation says, with the code it says', async () => void (await play()));
  it('gives the same run for the same seed', async () => assert.deepEqual(await play(), await play()));

  it('needs little memory for a pod', async () => {
    const runtime = simRuntime({ clock: realClock, random: seededRandom(1) });
    const shared = sandboxConfig();
    const made = containerConfig('/nowhere', ['server']);
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 10_000; i++) {
      const sandbox = await runtime.runPodSandbox({ ...shared, metadata: { ...shared.metadata, uid: `u${i}` } });
      await runtime.createContainer(sandbox.id, made);
    }
    const each = (process.memoryUsage().heapUsed - before) / 10_000;
    assert.ok(each < 4096, `${each} bytes a pod`);
  });
});
