/** What `glass up` answers when something is in its way. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { root, startGlass } from '../testkit/glass.ts';

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function glass(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const options = {
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env } as NodeJS.ProcessEnv,
      timeout: 30_000,
    };
    execFile(process.execPath, [join(root, 'src/cmd/glass.ts'), ...args], options, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    );
  });
}

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'glass-up-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test('a second `up` on the same folder is refused and names the first', async () => {
  await using first = await startGlass({ runtime: 'sim' });
  const second = await glass(['up', '--port', '0', '--data-dir', first.directory, '--runtime', 'sim']);
  assert.equal(second.code, 1);
  assert.match(second.stderr, new RegExp(`runs from ${first.directory} already \\(process ${first.process.pid}`));
});

test('a taken port is named, with what to do', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const ended = await glass(['up', '--port', String(port), '--data-dir', join(scratch(t), 'c'), '--runtime', 'sim']);
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, new RegExp(`EADDRINUSE.*${port}.*--port`));
});

test('a folder of a newer version is refused, and stays as it is', async (t) => {
  const directory = join(scratch(t), 'c');
  {
    await using cluster = await startGlass({ runtime: 'sim' });
    await cluster.kill('SIGTERM');
    const format = join(cluster.directory, 'store', 'format.json');
    const kept = JSON.parse(readFileSync(format, 'utf8'));
    const field = Object.keys(kept).find((name) => typeof kept[name] === 'number')!;
    const newer = JSON.stringify({ ...kept, [field]: kept[field] + 1000 });
    writeFileSync(format, newer);
    const ended = await glass(['up', '--port', '0', '--data-dir', cluster.directory, '--runtime', 'sim']);
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /newer|version/i);
    assert.equal(readFileSync(format, 'utf8'), newer);
    writeFileSync(format, JSON.stringify(kept));
    await cluster.again();
  }
  assert.ok(!existsSync(directory));
});

test('a missing OCI runtime is named, with what to install', async (t) => {
  const ended = await glass(['up', '--port', '0', '--data-dir', join(scratch(t), 'c'), '--runtime', 'oci'], {
    PATH: '/nowhere',
  });
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /crun or runc|needs root/);
  assert.match(ended.stderr, /--runtime process/);
});

test('a wrong flag is a usage error', async () => {
  for (const args of [
    ['up', '--runtime', 'docker'],
    ['up', '--port', 'many'],
    ['up', '--store', 'etcd://x'],
    ['reset'],
    ['fly'],
  ]) {
    const ended = await glass(args, { GLASS_HOME: '/nonexistent/glass' });
    assert.equal(ended.code, 2, `${args.join(' ')}: ${ended.stderr}`);
  }
});

test('the user’s kubeconfig has a context while it is up, and is as it was after `down`', async (t) => {
  const home = scratch(t);
  const file = join(home, 'config');
  const before =
    'apiVersion: v1\nkind: Config\ncurrent-context: mine\ncontexts:\n- name: mine\n  context: {cluster: a, user: b}\n';
  writeFileSync(file, before);
  const env = { KUBECONFIG: file, GLASS_HOME: home, HOME: home };
  const up = await glass(['up', '--detach', '--port', '0', '--runtime', 'sim'], env);
  assert.equal(up.code, 0, up.stderr);
  assert.match(up.stderr, /ready in \d+ ms/);
  assert.match(readFileSync(file, 'utf8'), /current-context: glasshouse/);
  assert.match(readFileSync(file, 'utf8'), /name: mine/);
  const status = await glass(['status', '-o', 'json'], env);
  assert.equal(JSON.parse(status.stdout).nodes.ready, 1);
  const down = await glass(['down'], env);
  assert.equal(down.code, 0, down.stderr);
  assert.equal(readFileSync(file, 'utf8'), before);
  assert.equal((await glass(['status'], env)).code, 1);
});
