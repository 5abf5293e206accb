/** Events a second that 1,000 watchers receive while 1,000 ConfigMaps are created: each watcher gets every one, over HTTPS, the server on one core. */
import type { TLSSocket } from 'node:tls';
import { open, request, run, type Target } from './load/connection.ts';
import { report } from './report.ts';
import { compare } from './server/index.ts';

const watchers = 1000;
const events = 1000;
/** Milliseconds after the last write that a round may take. */
const longest = 20_000;
const path = '/api/v1/namespaces/default/configmaps';
const eventEnd = Buffer.from('}\n');

const result = await compare(async (target) => {
  const figures: number[] = [];
  for (let i = 0; i < 3; i++) figures.push(await once(target, i));
  return { figures };
});
report({
  name: 'watch',
  what: '1,000 watchers that each see 1,000 creations, over HTTPS, the server on one core',
  unit: 'events/s',
  ...result,
  goal: 'at least 5 times the peer',
  met: (_median, ratio) => ratio !== undefined && ratio >= 5,
  moreIsBetter: true,
});

async function once(target: Target, round: number): Promise<number> {
  // each round has a namespace's worth of watchers of its own: by label, so that nothing of earlier rounds is seen
  const sockets: TLSSocket[] = [];
  const counts = Array.from({ length: watchers }, () => 0);
  let complete = 0;
  let all = () => {};
  const seen = new Promise<void>((resolve) => (all = resolve));
  const watch = request('GET', `${path}?watch=1&labelSelector=round%3Dr${round}&timeoutSeconds=600`);
  for (let i = 0; i < watchers; i += 50) {
    const opened = await Promise.all(Array.from({ length: 50 }, () => open(target)));
    for (const [j, socket] of opened.entries()) {
      let ended = false;
      socket.on('data', (data: Buffer) => {
        // an end may be cut in two: the newline alone then begins the next piece
        let found = ended && data[0] === 0x0a ? 1 : 0;
        for (let at = data.indexOf(eventEnd); at >= 0; at = data.indexOf(eventEnd, at + 2)) found++;
        ended = data.at(-1) === 0x7d;
        counts[i + j]! += found;
        if (found > 0 && counts[i + j] === events && ++complete === watchers) all();
      });
      socket.write(watch);
    }
    sockets.push(...opened);
  }
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const started = performance.now();
  let made = 0;
  const next = () => {
    if (made >= events) return undefined;
    const metadata = { name: `seen-${round}-${made++}`, labels: { round: `r${round}` } };
    return request('POST', path, JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { a: 'b' } }));
  };
  await run(target, 16, next);
  // a server that takes longer is measured by what it delivered in that time
  let late: NodeJS.Timeout | undefined;
  await Promise.race([seen, new Promise<void>((resolve) => (late = setTimeout(resolve, longest)))]);
  clearTimeout(late);
  const delivered = counts.reduce((total, count) => total + count, 0);
  const seconds = (performance.now() - started) / 1000;
  for (const socket of sockets) socket.destroy();
  return delivered / seconds;
}
