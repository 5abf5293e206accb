/**
 * For tests that touch the kernel's network: runs the test file again inside network and mount namespaces of its own,
 * which have a loopback interface and no way out. Nothing that such a test does reaches the machine.
 */
import assert from 'node:assert/strict';
import { execFile, type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const marker = 'GLASS_TEST_NETNS';
const programs = ['ip', 'nft', 'unshare', 'nsenter'];
const prepare =
  'mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && mount -t sysfs sysfs /sys && ip link set lo up && exec "$@"';

/** `define` registers the tests; it is called in the namespaces only. */
export function insideNetns(url: string, define: () => void): void {
  if (process.env[marker] !== undefined) return define();
  test('in network namespaces of its own', { timeout: 120_000 }, async (t) => {
    const missing = cannot();
    if (missing !== undefined) return t.skip(missing);
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const args = ['-n', '-m', 'sh', '-c', prepare, 'sh', process.execPath, fileURLToPath(url)];
    const ran = await execute('unshare', args, { env: { ...env, [marker]: '1' }, timeout: 110_000 }).catch(
      (error) => error,
    );
    assert.equal(ran.code, undefined, `${ran.stdout}\n${ran.stderr}`);
    for (const line of String(ran.stdout).split('\n')) if (/^[ℹ✔✖﹣]|ms\)/.test(line)) t.diagnostic(line);
  });
}

function cannot(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux (network namespaces)';
  const folders = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];
  const missing = programs.filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
  return missing.length > 0 ? `needs ${missing.join(', ')} (Debian: iproute2, nftables, util-linux)` : undefined;
}

export function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'network-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Runs a program in a pod's namespace (undefined: the host's); resolves with what it printed. */
export async function inPod(netns: string | undefined, command: string, ...args: string[]): Promise<string> {
  const line = netns === undefined ? [command, ...args] : [`--net=${netns}`, command, ...args];
  const { stdout } = await execute(netns === undefined ? (line.shift() as string) : 'nsenter', line, {
    timeout: 10_000,
  });
  return stdout;
}

const server = `
const [port, text] = process.argv.slice(1);
require('node:http').createServer((request, response) => response.end(text === '' ? request.socket.remoteAddress : text))
  .listen(Number(port), '0.0.0.0');
`;

/** A web server in the namespace that answers `text` ('': the caller's address); it is there when this resolves. */
export async function serve(t: TestContext, netns: string, port: number, text: string): Promise<void> {
  start(t, netns, process.execPath, '-e', server, String(port), text);
  await eventually(() => fetchIn(netns, `127.0.0.1:${port}`).then(() => {}));
}

export function start(t: TestContext, netns: string, ...command: string[]): ChildProcess {
  const child = spawn('nsenter', [`--net=${netns}`, ...command], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

const client = `
require('node:http').get({ host: process.argv[1], port: process.argv[2], agent: false, timeout: 2000 }, (response) => response.pipe(process.stdout))
  .on('timeout', function () { this.destroy(new Error('ETIMEDOUT')); })
  .on('error', (error) => { console.error(error.code || error.message); process.exitCode = 1; });
`;

/** What a web server answers; rejects with the system's error code (ECONNREFUSED …), or ETIMEDOUT after two seconds. */
export async function fetchIn(netns: string | undefined, address: string): Promise<string> {
  const [host = '', port = '80'] = address.split(':');
  try {
    return await inPod(netns, process.execPath, '-e', client, host, port);
  } catch (error) {
    throw new Error(String((error as { stderr?: string }).stderr).trim(), { cause: error });
  }
}

export async function eventually(check: () => Promise<void>, milliseconds = 5000): Promise<void> {
  const deadline = performance.now() + milliseconds;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
