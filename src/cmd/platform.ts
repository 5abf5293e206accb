/** What the command line asks for, from the parts that can do it. Loaded piece by piece: `glass image ls` needs no server. */
import { readFileSync } from 'node:fs';
import type { Platform } from '../cli/index.ts';
import { systemClock } from '../machinery/index.ts';
import { logTo } from './log.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

export const platform: Platform = {
  version,
  logTo,
  async up(options) {
    const { startPlatform } = await import('./up.ts');
    return startPlatform(options);
  },
  async simulate(options) {
    const { startSimulation } = await import('./sim.ts');
    return startSimulation(options);
  },
  async stopWorkloads(places) {
    const { stopWorkloads } = await import('./node.ts');
    await stopWorkloads(places);
  },
  async images(places) {
    const { openImages } = await import('./images.ts');
    return openImages(places);
  },
  async connect(kubeconfig) {
    const { httpsClient, loadKubeconfig } = await import('../client/index.ts');
    return httpsClient({ ...loadKubeconfig(kubeconfig), clock: systemClock });
  },
  async *podLogs(kubeconfig, of) {
    const { readPodLogs } = await import('./podlogs.ts');
    yield* readPodLogs(kubeconfig, of);
  },
};
