// `npm test`: the whole suite. As root on Debian it first installs the system packages that its tests need; what cannot run here is skipped, with its
// reason, and counted at the end. Arguments are patterns of files to run instead of all.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { ensureInstalled, run } from './install.mjs';

const packages = {
  crun: '/usr/bin/crun',
  runc: '/usr/sbin/runc',
  conmon: '/usr/bin/conmon',
  nftables: '/usr/sbin/nft',
  iproute2: '/bin/ip',
  'busybox-static': '/bin/busybox',
  'util-linux': '/usr/bin/nsenter',
  nginx: '/usr/sbin/nginx',
  'redis-tools': '/usr/bin/redis-check-rdb',
  webdis: '/usr/bin/webdis',
  memcached: '/usr/bin/memcached',
};
/** Servers that only tests start: Debian would run them as services from the installation on. */
const services = ['nginx', 'webdis', 'memcached'];
const policy = '/usr/sbin/policy-rc.d';

function installSystemPackages() {
  if (process.platform !== 'linux' || process.getuid() !== 0 || !existsSync('/etc/debian_version')) return;
  const missing = Object.entries(packages).filter(([, file]) => !existsSync(file));
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name);
  process.stderr.write(`installing ${names.join(', ')} …\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) => spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env }).status === 0;
  const install = () => apt('install', '-y', '--no-install-recommends', ...names);
  withoutServices(names, () => {
    if (!install() && !(apt('update') && install()))
      process.stderr.write('some could not be installed; the tests that need them are skipped\n');
  });
}

/** What is installed meanwhile does not start, now or with the machine. */
function withoutServices(names, act) {
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    act();
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
  const added = services.filter((name) => names.includes(name));
  if (added.length > 0 && existsSync('/run/systemd/system'))
    spawnSync('systemctl', ['disable', '--quiet', ...added], { stdio: 'ignore' });
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
