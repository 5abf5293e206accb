// `npm test`: the whole suite. As root on Debian it first installs the system packages that its tests need; what cannot run here is skipped, with its
// reason, and counted at the end. Arguments are patterns of files to run instead of all.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { ensureInstalled, run } from './install.mjs';

const packages = {
  crun: '/usr/bin/crun',
  runc: '/usr/sbin/runc',
  conmon: '/usr/bin/conmon',
  nftables: '/usr/sbin/nft',
  iproute2: '/bin/ip',
  'busybox-static': '/bin/busybox',
  'util-linux': '/usr/bin/nsenter',
};

function installSystemPackages() {
  if (process.platform !== 'linux' || process.getuid() !== 0 || !existsSync('/etc/debian_version')) return;
  const missing = Object.entries(packages).filter(([, file]) => !existsSync(file));
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name);
  process.stderr.write(`installing ${names.join(', ')} …\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) => spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env }).status === 0;
  const install = () => apt('install', '-y', '--no-install-recommends', ...names);
  if (!install() && !(apt('update') && install()))
    process.stderr.write('some could not be installed; the tests that need them are skipped\n');
}

ensureInstalled({ development: true });
installSystemPackages();
const wanted = process.argv.slice(2);
const patterns = wanted.length > 0 ? wanted : ['src/**/*.test.ts', 'test/**/*.test.ts'];
process.exit(
  run('node', [
    '--test',
    '--test-concurrency=2',
    '--test-timeout=600000',
    '--test-reporter=./scripts/reporter.mjs',
    '--test-reporter-destination=stdout',
    ...patterns,
  ]),
);
