/** Memory of the server for each of 10,000 watches that see nothing, each with a connection of its own. */
import type { TLSSocket } from 'node:tls';
import { open, request } from './load/connection.ts';
import { report } from './report.ts';
import { compare } from './server/index.ts';

const watches = 10_000;
const path = '/api/v1/namespaces/default/configmaps?watch=1&labelSelector=nobody%3Dhas&timeoutSeconds=3600';
const settled = () => new Promise((resolve) => setTimeout(resolve, 20_000));

const result = await compare(async (target, server) => {
  const sockets: TLSSocket[] = [];
  const watch = request('GET', path);
  const more = async (count: number) => {
    for (let i = 0; i < count; i += 50) {
      const opened = await Promise.all(Array.from({ length: 50 }, () => open(target)));
      await Promise.all(
        opened.map(async (socket) => {
          const answered = new Promise((resolve) => socket.once('data', resolve));
          socket.write(watch);
          await answered;
          socket.resume();
        }),
      );
      sockets.push(...opened);
    }
    await settled();
  };
  // what the first cost is not what each costs
  await more(500);
  const before = server.memory();
  await more(watches);
  const each = (server.memory() - before) / watches / 1000;
  for (const socket of sockets) socket.destroy();
  return { figures: [each] };
});
report({
  name: 'idlewatches',
  what: `memory of the server for each of ${watches.toLocaleString('en')} idle watches, each on a connection of its own`,
  unit: 'kB',
  ...result,
  goal: 'a quarter of the peer',
  met: (_median, ratio) => ratio !== undefined && ratio >= 4,
});
