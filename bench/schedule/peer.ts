/** kube-scheduler beside kube-apiserver and etcd, all three on every core, with the request rate that upstream's own benchmark allows it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { httpsClient } from '../../src/client/index.ts';
import { systemClock } from '../../src/machinery/index.ts';
import { onPath, peerIsHere, startPeer } from '../server/index.ts';
import type { Subject } from './measure.ts';

export const schedulerIsHere = () => peerIsHere() && onPath('kube-scheduler');

export async function peer(): Promise<Subject> {
  const server = await startPeer({
    anyCore: true,
    // as upstream's own benchmark has it: its nodes are ready at once
    flags: ['--disable-admission-plugins=TaintNodesByCondition'],
  });
  const { port, authority, certificate, key } = server.target;
  const address = `https://127.0.0.1:${port}`;
  const folder = mkdtempSync(join(tmpdir(), 'bench-scheduler-'));
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const kubeconfig = join(folder, 'kubeconfig');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'bench', cluster: { server: address, 'certificate-authority-data': base64(authority) } }],
    users: [
      {
        name: 'bench',
        user: { 'client-certificate-data': base64(certificate), 'client-key-data': base64(key) },
      },
    ],
    contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
    'current-context': 'bench',
  };
  writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 });
  const client = httpsClient({ server: address, ca: authority, cert: certificate, key, clock: systemClock });
  return {
    name: 'kube-scheduler with kube-apiserver and etcd',
    client,
    async startScheduler() {
      const log = openSync(join(folder, 'log'), 'a');
      const flags = ['--leader-elect=false', '--secure-port=0', '--kube-api-qps=5000', '--kube-api-burst=5000'];
      const child = spawn('kube-scheduler', [`--kubeconfig=${kubeconfig}`, ...flags], { stdio: ['ignore', log, log] });
      return {
        async stop() {
          if (child.exitCode !== null || child.signalCode !== null) return;
          const exited = once(child, 'exit');
          child.kill('SIGKILL');
          await exited;
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
