import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, writeFile, appendFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { connect, createServer } from 'node:net';
import { dirname } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { WebSocket } from 'ws';
import { parseExposition, valueOf } from '../machinery/testkit/exposition.ts';
import { type Certificates, makeCertificates } from './testkit/certificates.ts';
import { startFront } from './testkit/front.ts';
import { type World, ready, startWorld } from './testkit/world.ts';

const certificates = await makeCertificates();
const hasKubectl = await promisify(execFile)('kubectl', ['version', '--client']).then(
  () => true,
  () => false,
);

async function startServed(t: TestContext): Promise<{ world: World; certificates: Certificates } | undefined> {
  if (!certificates) {
    t.skip('openssl is not on this machine');
    return undefined;
  }
  const { ca, server } = certificates;
  const world = await startWorld({ server: { host: '127.0.0.1', port: 0, ...server, clientCA: ca } });
  world.run({ containers: [{ name: 'web', image: 'web:1' }] });
  await world.until('Ready', ready);
  return { world, certificates };
}

function get(
  world: World,
  path: string,
  client?: { cert: string; key: string },
): Promise<{ code: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      { host: '127.0.0.1', port: world.kubelet.port, path, ca: certificates?.ca, ...client, agent: false },
      (answer) => {
        let body = '';
        answer.on('data', (chunk) => (body += chunk));
        answer.on('end', () => resolve({ code: answer.statusCode ?? 0, body }));
      },
    );
    request.on('error', reject);
    request.end();
  });
}

async function writeLog(world: World, lines: string[]): Promise<string> {
  const [config] = world.runtime.configs.values();
  const path = config?.logPath ?? '';
  await mkdir(dirname(path), { recursive: true });
  await writeFile(
    path,
    lines.map((line, index) => `2026-01-01T00:00:0${index}.000000000Z stdout F ${line}\n`).join(''),
  );
  return path;
}

test('a client without a certificate of the authority is not heard', async (t) => {
  const served = await startServed(t);
  if (!served) return;
  await using world = served.world;
  await assert.rejects(get(world, '/healthz'));
  assert.deepEqual(await get(world, '/healthz', served.certificates.client), { code: 200, body: 'ok' });
});

test('logs come whole, by their last lines, with times, and within a number of bytes', async (t) => {
  const served = await startServed(t);
  if (!served) return;
  await using world = served.world;
  await writeLog(world, ['one', 'two', 'three']);
  const read = async (query: string) =>
    (await get(world, `/containerLogs/default/web/web${query}`, served.certificates.client)).body;
  assert.equal(await read(''), 'one\ntwo\nthree\n');
  assert.equal(await read('?tailLines=2'), 'two\nthree\n');
  assert.equal(await read('?tailLines=0'), '');
  assert.equal(await read('?tailLines=1&timestamps=true'), '2026-01-01T00:00:02.000000000Z three\n');
  assert.equal(await read('?sinceTime=2026-01-01T00:00:01Z'), 'two\nthree\n');
  assert.equal(await read('?limitBytes=5'), 'one\nt');
  const wrong = await get(world, '/containerLogs/default/web/web?tailLines=-1', served.certificates.client);
  assert.equal(wrong.code, 400);
  assert.match(wrong.body, /tailLines/);
  const previous = await get(world, '/containerLogs/default/web/web?previous=true', served.certificates.client);
  assert.equal(previous.body, 'previous terminated container "web" in pod "web" not found');
});

test('a followed log goes on as it grows, and ends with the container', async (t) => {
  const served = await startServed(t);
  if (!served) return;
  await using world = served.world;
  const path = await writeLog(world, ['one']);
  const seen: string[] = [];
  const done = new Promise<void>((resolve, reject) => {
    const { port } = world.kubelet;
    const { ca } = served.certificates;
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        port,
        path: '/containerLogs/default/web/web?follow=true',
        ca,
        ...served.certificates.client,
      },
      (answer) => {
        answer.on('data', (chunk) => seen.push(String(chunk)));
        answer.on('end', resolve);
      },
    );
    request.on('error', reject);
    request.end();
  });
  await world.until('the first line', () => seen.join('') === 'one\n');
  await appendFile(path, '2026-01-01T00:00:05.000000000Z stdout F two\n');
  await world.until('the second line', () => seen.join('') === 'one\ntwo\n');
  world.runtime.exit('web', 0);
  await done;
});

test("figures are told by upstream's names", async (t) => {
  const served = await startServed(t);
  if (!served) return;
  await using world = served.world;
  const { client } = served.certificates;
  const summary = JSON.parse((await get(world, '/stats/summary', client)).body);
  assert.equal(summary.pods[0].podRef.name, 'web');
  assert.equal(summary.pods[0].containers[0].memory.workingSetBytes, 1024);
  const metrics = async (path: string) => {
    const { code, body } = await get(world, path, client);
    assert.equal(code, 200, body);
    return parseExposition(body);
  };
  const place = { namespace: 'default', pod: 'web' };
  const resource = await metrics('/metrics/resource');
  assert.equal(valueOf(resource, 'container_cpu_usage_seconds_total', { ...place, container: 'web' }), 0.001);
  assert.equal(valueOf(resource, 'pod_memory_working_set_bytes', place), 1024);
  assert.ok(valueOf(resource, 'node_memory_working_set_bytes')! > 0);
  const detailed = await metrics('/metrics/cadvisor');
  assert.equal(valueOf(detailed, 'container_memory_usage_bytes', { ...place, container: 'web' }), 2048);
  assert.equal(
    valueOf(detailed, 'container_cpu_usage_seconds_total', { ...place, container: '', cpu: 'total' }),
    0.001,
  );
  assert.ok(valueOf(detailed, 'container_memory_working_set_bytes', { id: '/' })! > 0);
  const own = await metrics('/metrics');
  assert.equal(valueOf(own, 'kubelet_running_pods'), 1);
  assert.equal(valueOf(own, 'kubelet_running_containers', { container_state: 'running' }), 1);
  assert.equal(valueOf(own, 'kubelet_runtime_operations_total', { operation_type: 'start_container' }), 1);
  assert.equal(valueOf(own, 'kubelet_pod_start_duration_seconds_count'), 1);
  assert.ok(valueOf(own, 'kubelet_http_requests_total', { path: 'metrics' })! >= 2);
  assert.equal((await get(world, '/run/default/web/web', client)).code, 404);
});

test('exec over WebSocket carries input, its end, both outputs and the exit code', async (t) => {
  const served = await startServed(t);
  if (!served) return;
  await using world = served.world;
  world.runtime.onExec = async (command, { stdin, stdout, stderr }) => {
    let heard = '';
    for await (const chunk of stdin ?? []) heard += chunk;
    stdout?.write(`${command.join(' ')}: ${heard}`);
    stderr?.write('warning');
    return 7;
  };
  const query = 'command=cat&command=-n&stdin=true&stdout=true&stderr=true';
  const { ca, client } = served.certificates;
  const socket = new WebSocket(
    `wss://127.0.0.1:${world.kubelet.port}/exec/default/web/web?${query}`,
    ['v5.channel.k8s.io'],
    { ca, ...client },
  );
  const said = new Map<number, string>();
  socket.on('message', (message: Buffer) =>
    said.set(message[0] as number, (said.get(message[0] as number) ?? '') + message.toString('utf8', 1)),
  );
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  socket.send(Buffer.from('\0hello'));
  socket.send(Buffer.from([255, 0]));
  await new Promise((resolve) => socket.on('close', resolve));
  assert.equal(said.get(1), 'cat -n: hello');
  assert.equal(said.get(2), 'warning');
  const status = JSON.parse(said.get(3) ?? '');
  assert.equal(status.reason, 'NonZeroExitCode');
  assert.deepEqual(status.details.causes, [{ reason: 'ExitCode', message: '7' }]);
});

test('a protocol that nobody speaks is refused with a reason', async (t) => {
  const served = await startServed(t);
  if (!served) return;
  await using world = served.world;
  const { ca, client } = served.certificates;
  const socket = new WebSocket(
    `wss://127.0.0.1:${world.kubelet.port}/exec/default/web/web?command=a&stdout=1`,
    ['v9.channel.k8s.io'],
    { ca, ...client },
  );
  const code = await new Promise((resolve) =>
    socket.on('unexpected-response', (_request, answer) => resolve(answer.statusCode)).on('error', () => {}),
  );
  assert.equal(code, 400);
});

for (const [name, environment] of [
  ['WebSocket', {}],
  ['SPDY', { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }],
] as const) {
  test(`kubectl runs a command over ${name}`, async (t) => {
    if (!hasKubectl) return t.skip('kubectl is not on this machine');
    const served = await startServed(t);
    if (!served) return;
    await using world = served.world;
    using front = await startFront(world, served.certificates);
    world.runtime.onExec = async (command, { stdin, stdout, stderr }) => {
      let heard = '';
      for await (const chunk of stdin ?? []) heard += chunk;
      stdout?.write(`${command.join(' ')}: ${heard}`);
      stderr?.write('warning');
      return 3;
    };
    const child = spawn(
      'kubectl',
      ['--server', front.url, '--kubeconfig=/dev/null', 'exec', '-i', 'web', '-c', 'web', '--', 'cat', '-n'],
      { env: { ...process.env, ...environment } },
    );
    child.stdin.end('hello');
    const { code, out, err } = await finish(child);
    assert.equal(out, 'cat -n: hello', err);
    assert.match(err, /warning/);
    assert.equal(code, 3, err);
  });

  test(`kubectl forwards a port over ${name}`, async (t) => {
    if (!hasKubectl) return t.skip('kubectl is not on this machine');
    const served = await startServed(t);
    if (!served) return;
    await using world = served.world;
    using front = await startFront(world, served.certificates);
    const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket));
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    const { port } = echo.address() as { port: number };
    world.runtime.portForward = async () => connect(port, '127.0.0.1');
    const child = spawn(
      'kubectl',
      ['--server', front.url, '--kubeconfig=/dev/null', 'port-forward', 'pod/web', ':80'],
      { env: { ...process.env, ...environment } },
    );
    try {
      const local = await new Promise<number>((resolve, reject) => {
        child.stdout.on('data', (chunk) => {
          const match = /127\.0\.0\.1:(\d+)/.exec(String(chunk));
          if (match) resolve(Number(match[1]));
        });
        child.stderr.on('data', (chunk) => reject(new Error(String(chunk))));
      });
      for (const size of [5, 300_000]) {
        const sent = Buffer.alloc(size, 'x');
        const socket = connect({ port: local, host: '127.0.0.1', allowHalfOpen: true });
        socket.end(sent);
        let got = 0;
        for await (const chunk of socket) got += (chunk as Buffer).length;
        assert.equal(got, size);
      }
    } finally {
      child.kill();
      echo.close();
    }
  });
}

async function finish(child: ChildProcess): Promise<{ code: number | null; out: string; err: string }> {
  let out = '';
  let err = '';
  child.stdout?.on('data', (chunk) => (out += chunk));
  child.stderr?.on('data', (chunk) => (err += chunk));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, out, err };
}
