import { rm } from 'node:fs/promises';
import { runtimeSuite } from '../runtime.suite.ts';
import {
  busyboxImages,
  loopbackNetwork,
  missingBusybox,
  realClock,
  realRandom,
  temporaryDirectory,
} from '../testkit/fixture.ts';
import { processRuntime } from './runtime.ts';

async function open(enterRootfs?: boolean) {
  const directory = await temporaryDirectory();
  const images = busyboxImages(directory);
  const network = loopbackNetwork();
  const make = async () => {
    const runtime = await processRuntime({
      directory: `${directory}/runtime`,
      images,
      network,
      clock: realClock,
      random: realRandom,
      enterRootfs,
    });
    await runtime.start();
    return runtime;
  };
  const runtime = await make();
  const under = {
    runtime,
    directory,
    reopen: make,
    programs: true,
    entersRootfs: runtime.entersRootfs,
    async dispose() {
      for (const { id } of await under.runtime.listPodSandboxes()) await under.runtime.removePodSandbox(id);
      await under.runtime.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return under;
}

runtimeSuite("process, on the host's filesystem", () => open(false), missingBusybox());
runtimeSuite("process, where it can inside the image's root filesystem", () => open(), missingBusybox());
