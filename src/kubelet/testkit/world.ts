/** One agent with a runtime, images and objects in memory, on virtual time. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AnyObject, seededRandom } from '../../machinery/index.ts';
import { type Kubelet, startKubelet } from '../kubelet.ts';
import { namespaces, pods } from '../kinds.ts';
import type { KubeletOptions } from '../options.ts';
import { unmountAll } from '../volumes/mount.ts';
import { type TestApi, testApi } from './api.ts';
import { type VirtualClock, settle, virtualClock } from './clock.ts';
import { type TestImages, type TestRuntime, testImages, testRuntime } from './runtime.ts';

export interface World extends AsyncDisposable {
  api: TestApi;
  runtime: TestRuntime;
  images: TestImages;
  clock: VirtualClock;
  directory: string;
  events: string[];
  kubelet: Kubelet;
  /** Another agent over the same runtime, objects and directory. */
  restart(): Promise<void>;
  run(spec: AnyObject | object, metadata?: object): AnyObject;
  pod(name?: string): AnyObject | undefined;
  /** Waits, in real time, for something that is coming. */
  until(what: string, holds: (pod: AnyObject | undefined) => boolean | undefined): Promise<void>;
}

const silent = {
  debug() {},
  info() {},
  warn() {},
  error(fields: object) {
    if (process.env.KUBELET_TEST_LOG) console.error(fields);
  },
};

export async function startWorld(options: Partial<KubeletOptions> = {}): Promise<World> {
  const clock = virtualClock();
  const directory = await mkdtemp(join(tmpdir(), 'kubelet-'));
  const api = testApi(() => clock.now());
  api.put(namespaces, { metadata: { name: 'default' } });
  const runtime = testRuntime(clock);
  const images = testImages();
  const events: string[] = [];
  const start = () =>
    startKubelet({
      client: api,
      runtime,
      images,
      clock,
      directory,
      random: seededRandom(1),
      log: silent,
      nodeName: 'node',
      recorder: { event: (_about, type, reason, message) => void events.push(`${type} ${reason}: ${message}`) },
      capacity: { cpu: '4', memory: '8Gi' },
      ...options,
    });
  const cleanUp = async () => {
    await unmountAll(directory);
    await rm(directory, { recursive: true, force: true });
  };
  const world: World = {
    api,
    runtime,
    images,
    clock,
    directory,
    events,
    kubelet: await start().catch(async (error) => {
      await cleanUp();
      throw error;
    }),
    async restart() {
      await world.kubelet.stop();
      world.kubelet = await start();
    },
    run(spec, metadata = {}) {
      return api.put(pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'web', namespace: 'default', generation: 1, ...metadata },
        spec: { nodeName: 'node', restartPolicy: 'Always', terminationGracePeriodSeconds: 30, ...spec },
        status: { phase: 'Pending' },
      });
    },
    pod: (name = 'web') => api.read(pods, name, 'default'),
    async until(what, holds) {
      const deadline = performance.now() + 5000;
      while (!holds(world.pod())) {
        if (performance.now() > deadline) {
          throw new Error(
            `not within 5 s: ${what}; status ${JSON.stringify(world.pod()?.status)}; events ${events.join(' | ')}; calls ${runtime.calls.join(', ')}`,
          );
        }
        await settle(1);
      }
      await settle(5);
    },
    async [Symbol.asyncDispose]() {
      await world.kubelet.stop();
      await cleanUp();
    },
  };
  return world;
}

export const ready = (pod: AnyObject | undefined): boolean =>
  pod?.status?.conditions?.some((each: AnyObject) => each.type === 'Ready' && each.status === 'True') ?? false;
