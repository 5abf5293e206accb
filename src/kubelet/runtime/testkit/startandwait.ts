/** A process that starts containers and is then killed: run by a test as its child. */
import { join } from 'node:path';
import { ociRuntime } from '../oci/setup.ts';
import { busyboxImages, containerConfig, isolatedNetwork, realClock, realRandom } from './fixture.ts';

const { directory, cgroupParent, holder, sandbox } = JSON.parse(process.argv[2] ?? '{}');
setInterval(() => undefined, 1000);
const runtime = await ociRuntime({
  directory: join(directory, 'runtime'),
  images: busyboxImages(directory),
  network: isolatedNetwork(directory),
  clock: realClock,
  random: realRandom,
  cgroupParent,
  ...(holder === 'sh' && { conmon: false as const }),
});
await runtime.start();
const { id } = await runtime.runPodSandbox(sandbox);
const start = async (name: string, command: string[]) => {
  const container = await runtime.createContainer(
    id,
    containerConfig(directory, command, { metadata: { name, attempt: 0 } }),
  );
  await runtime.startContainer(container);
  return container;
};
const long = await start('long', ['sleep', '2345']);
const short = await start('short', ['sh', '-c', 'sleep 0.5; exit 17']);
process.send?.({ long, short, pid: (await runtime.containerStatus(long))?.pid });
