// What every script of the project begins with: the packages of package-lock.json, and a Node that can run TypeScript. Runs on Node 20, too.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const mark = join(modules, '.glasshouse');

/** Installs what is missing. `development`: what tests and checks need, too. */
export function ensureInstalled({ development }) {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const have = existsSync(mark) ? readFileSync(mark, 'utf8') : '';
  if (have === `${lock} all` || (!development && have === `${lock} run`)) return;
  process.stderr.write('installing packages (once) …\n');
  // not `npm ci`: it insists on packages for every other platform being in the lock file, which not every registry has
  const args = [
    'install',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    ...(development ? [] : ['--omit=dev']),
  ];
  const { status, error } = spawnSync('npm', args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status !== 0) {
    process.stderr.write(
      `error: "npm ${args.join(' ')}" failed${error ? `: ${error.message}` : ''}; is the npm registry reachable?\n`,
    );
    process.exit(1);
  }
  writeFileSync(mark, `${lock} ${development ? 'all' : 'run'}`);
}

/** This Node when it is new enough, else the one among the packages. */
export function nodeBinary() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  const own = join(modules, '.bin', 'node');
  if (existsSync(own)) return own;
  process.stderr.write(
    `error: Glasshouse needs Node 24 or newer; this is ${process.version}, and there is no package of it for ${process.platform} ${process.arch}: install one from your system\n`,
  );
  process.exit(1);
}

/** Runs a program with the right Node first on the PATH; returns its exit code. */
export function run(command, args, options = {}) {
  const node = nodeBinary();
  const path = [dirname(node), join(modules, '.bin'), process.env.PATH].join(delimiter);
  const { status, signal, error } = spawnSync(command === 'node' ? node : command, args, {
    cwd: root,
    stdio: 'inherit',
    ...options,
    env: { ...process.env, PATH: path, ...options.env },
  });
  if (error) process.stderr.write(`error: ${command}: ${error.message}\n`);
  if (signal) return 128;
  return status ?? 1;
}
