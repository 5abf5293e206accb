/**
 * The command: runs a part of upstream's conformance suite against a cluster that it starts for that, in network namespaces
 * without a way out, and keeps the score. See README.md.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startGlass } from '../testkit/glass.ts';
import { insideCommand } from '../testkit/inside.ts';
import { build } from './build.ts';
import { images } from './images.ts';
import { places } from './places.ts';
import { serveImages } from './registry.ts';
import { readResults, record } from './score.ts';
import { runSuite } from './suite.ts';
import { type Title, titles } from './titles.ts';

const inside = 'GLASS_CONFORMANCE_INSIDE';
const nodeAddresses = ['192.168.199.1', '192.168.199.2'];

const { values: flags, positionals: groups } = parseArgs({
  allowPositionals: true,
  options: {
    focus: { type: 'string' },
    skip: { type: 'string' },
    failing: { type: 'boolean' },
    new: { type: 'boolean' },
    workers: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '300' },
    list: { type: 'boolean' },
  },
});

function chosen(all: readonly Title[]): Title[] {
  const results = readResults();
  return all.filter(({ text, group }) => {
    if (groups.length > 0 && !groups.includes(group)) return false;
    if (flags.focus !== undefined && !new RegExp(flags.focus).test(text)) return false;
    if (flags.skip !== undefined && new RegExp(flags.skip).test(text)) return false;
    if (flags.new && results[text] !== undefined) return false;
    return !flags.failing || (results[text] !== undefined && results[text] !== 'passed');
  });
}

async function run(): Promise<number> {
  const all = titles();
  const wanted = chosen(all);
  for (const address of nodeAddresses) ip('addr', 'add', `${address}/24`, 'dev', 'nodes');
  const logs = join(places.runs, new Date().toISOString().replace(/[:.]/g, '-'));
  await using registry = await serveImages();
  process.env['NODE_EXTRA_CA_CERTS'] = registry.certificate;
  const args = ['--nodes', String(nodeAddresses.length), '--node-ip', nodeAddresses.join(',')];
  await using glass = await startGlass({ runtime: 'oci', args });
  await glass.run('image', 'import', images());
  console.log(`${wanted.length} titles; logs in ${logs}`);
  let failed = 0;
  const stopped = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort());
  try {
    await runSuite(wanted, {
      kubeconfig: glass.kubeconfig,
      logs,
      workers: Number(flags.workers),
      seconds: Number(flags.seconds),
      nodes: nodeAddresses.length,
      signal: stopped.signal,
      done(title, result, seconds) {
        record(all, title.text, result);
        if (result !== 'passed') failed++;
        console.log(`${result.padEnd(9)} ${seconds.toFixed(0).padStart(4)} s  ${title.text}`);
      },
    });
  } finally {
    if (existsSync(join(glass.directory, 'glass.log')))
      copyFileSync(join(glass.directory, 'glass.log'), join(logs, 'glass.log'));
  }
  console.log(`${wanted.length - failed} of ${wanted.length} passed`);
  return failed === 0 ? 0 : 1;
}

function ip(...args: string[]): void {
  execFileSync('ip', args);
}

if (process.env[inside] !== undefined) {
  ip('link', 'add', 'nodes', 'type', 'bridge');
  ip('link', 'set', 'nodes', 'up');
  process.exitCode = await run();
} else {
  build();
  images();
  if (flags.list) {
    for (const { text } of chosen(titles())) console.log(text);
  } else {
    // the one inside ends what it began
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
    const [program, ...args] = insideCommand([fileURLToPath(import.meta.url), ...process.argv.slice(2)]);
    const env = { ...process.env, [inside]: '1' };
    process.exitCode = spawnSync(program!, args, { env, stdio: 'inherit' }).status ?? 1;
  }
}
