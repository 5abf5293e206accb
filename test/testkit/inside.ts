/**
 * For tests that run a whole cluster: the test file is run again inside network and mount namespaces of its own, with a
 * loopback interface and no way out, so that no packet for a pod or a service can leave the machine.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const marker = 'GLASS_TEST_INSIDE';
const folders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const prepare = [
  'mkdir -p /run/netns /run/glass-test-cgroup',
  'mount -t tmpfs tmpfs /run/netns',
  'mount --rbind /sys/fs/cgroup /run/glass-test-cgroup',
  'mount -t sysfs sysfs /sys',
  'mount --rbind /run/glass-test-cgroup /sys/fs/cgroup',
  'ip link set lo up',
  'exec "$@"',
].join(' && ');

export function onPath(program: string): boolean {
  return folders.some((folder) => existsSync(join(folder, program)));
}

/** The command that runs Node with these arguments in such namespaces; needs root on Linux. */
export function insideCommand(args: readonly string[]): string[] {
  return ['unshare', '-n', '-m', 'sh', '-c', prepare, 'sh', process.execPath, ...args];
}

/** `define` registers the tests; it is called inside only. `seconds`: for all of them together. */
export function inside(url: string, programs: readonly string[], seconds: number, define: () => void): void {
  if (process.env[marker] !== undefined) return define();
  test('in network namespaces of its own', { timeout: seconds * 1000 }, async (t) => {
    const missing = cannot(programs);
    if (missing !== undefined) return t.skip(missing);
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const [program, ...args] = insideCommand(['--test-reporter=spec', fileURLToPath(url)]);
    const ran = await execute(program!, args, {
      env: { ...env, [marker]: '1' },
      timeout: seconds * 1000 - 2000,
      maxBuffer: 1 << 26,
    }).catch((error) => error);
    assert.equal(ran.code, undefined, `${ran.stdout}\n${ran.stderr}`);
    for (const line of String(ran.stdout).split('\n')) if (/^\s*[✔✖﹣]/.test(line)) t.diagnostic(line);
  });
}

function cannot(programs: readonly string[]): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux (network namespaces)';
  const missing = ['ip', 'nft', 'unshare', 'nsenter', ...programs].filter((name) => !onPath(name));
  return missing.length > 0 ? `needs ${missing.join(', ')} on the PATH` : undefined;
}
