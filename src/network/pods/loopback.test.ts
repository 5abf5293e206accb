import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../machinery/index.ts';
import { loopbackPodNetwork } from './loopback.ts';
import type { HostPort } from './podnetwork.ts';

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'loopback-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function open(t: TestContext, directory: string, publishOn: string[] = []) {
  const pods = loopbackPodNetwork({ directory, clock: systemClock, publishOn });
  await pods.up();
  t.after(() => pods.stop());
  return pods;
}

/** A program that greets whoever connects; resolves with its port. */
function program(t: TestContext, host: string, port: number, greeting: string): Promise<number> {
  const server = createServer((socket) => socket.end(greeting)).listen({ host, port });
  t.after(() => server.close());
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.on('listening', () => resolve((server.address() as AddressInfo).port));
  });
}

/** A port that nobody has. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.on('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function greetingAt(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = '';
    const socket = connect({ host, port });
    socket.on('data', (chunk) => (heard += String(chunk)));
    socket.on('end', () => resolve(heard));
    socket.on('error', reject);
  });
}

async function eventually(check: () => Promise<void>): Promise<void> {
  for (const until = performance.now() + 10_000; ; ) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const tcp = (hostPort: number, containerPort: number, hostIP = ''): HostPort => ({
  hostPort,
  containerPort,
  hostIP,
  protocol: 'TCP',
});

test('a host port leads to the pod, also after a restart, and is free once the pod is gone', async (t) => {
  const directory = scratch(t);
  const first = await open(t, directory);
  const port = await freePort();
  const inside = await freePort();
  const { ips } = await first.add({ id: 'a', hostPorts: [tcp(port, inside)] });
  await program(t, ips[0]!, inside, 'hello');
  assert.equal(await greetingAt('127.0.0.1', port), 'hello');
  await first.stop();
  await assert.rejects(greetingAt('127.0.0.1', port), { code: 'ECONNREFUSED' });
  const second = await open(t, directory);
  assert.equal(await greetingAt('127.0.0.1', port), 'hello');
  assert.deepEqual(await second.add({ id: 'a', hostPorts: [tcp(port, inside)] }), { ips });
  await second.del('a');
  await assert.rejects(greetingAt('127.0.0.1', port), { code: 'ECONNREFUSED' });
  await second.add({ id: 'b', hostPorts: [tcp(port, inside)] });
});

test('a port that another program has is refused by its number, and nothing is held', async (t) => {
  const pods = await open(t, scratch(t));
  const port = await freePort();
  const taken = await program(t, '127.0.0.1', 0, 'mine');
  const add = pods.add({ id: 'a', hostPorts: [tcp(port, 80), tcp(taken, 80)] });
  await assert.rejects(add, new RegExp(`hostPort ${taken}/TCP: another program of this machine listens at 127.0.0.1`));
  assert.equal(await pods.check('a'), undefined);
  await pods.add({ id: 'b', hostPorts: [tcp(port, 80)] });
  await assert.rejects(pods.add({ id: 'c', hostPorts: [tcp(port, 81)] }), /is held by sandbox b/);
});

test('a program has the same port at its pod’s address, or at all addresses: both are reached', async (t) => {
  const pods = await open(t, scratch(t));
  const [own, all] = [await freePort(), await freePort()];
  const { ips } = await pods.add({ id: 'a', hostPorts: [tcp(own, own), tcp(all, all)] });
  await program(t, ips[0]!, own, 'at its own');
  await program(t, '0.0.0.0', all, 'at all');
  await eventually(async () => assert.equal(await greetingAt('127.0.0.1', own), 'at its own'));
  assert.equal(await greetingAt('127.0.0.1', all), 'at all');
});

test('a host IP is one that is published on; SCTP is refused', async (t) => {
  const pods = await open(t, scratch(t), ['127.0.0.7']);
  const [port, inside] = [await freePort(), await freePort()];
  const { ips } = await pods.add({ id: 'a', hostPorts: [tcp(port, inside, '127.0.0.7')] });
  await program(t, ips[0]!, inside, 'hello');
  assert.equal(await greetingAt('127.0.0.7', port), 'hello');
  await assert.rejects(greetingAt('127.0.0.1', port), { code: 'ECONNREFUSED' });
  const elsewhere = pods.add({ id: 'b', hostPorts: [tcp(port, 80, '192.0.2.1')] });
  await assert.rejects(elsewhere, /hostIP "192.0.2.1" is not published on; .*127.0.0.1, 127.0.0.7/);
  await assert.rejects(pods.add({ id: 'c', hostPorts: [{ ...tcp(port, 80), protocol: 'SCTP' }] }), /SCTP/);
});

test('datagrams are carried both ways', async (t) => {
  const pods = await open(t, scratch(t));
  const [port, inside] = [await freePort(), await freePort()];
  const { ips } = await pods.add({ id: 'a', hostPorts: [{ ...tcp(port, inside), protocol: 'UDP' }] });
  const echo = createSocket('udp4');
  echo.on('message', (message, { port: to, address }) => echo.send(`heard ${message}`, to, address));
  await new Promise<void>((resolve) => echo.bind(inside, ips[0], resolve));
  const caller = createSocket('udp4');
  t.after(() => {
    echo.close();
    caller.close();
  });
  const answer = new Promise((resolve) => caller.once('message', (message) => resolve(String(message))));
  caller.send('hello', port, '127.0.0.1');
  assert.equal(await answer, 'heard hello');
});
