/** More watches than any sane client opens. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { get, type RequestOptions } from 'node:https';
import { test } from 'node:test';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { eventually, startGlass } from '../testkit/glass.ts';

const count = 10_000;
const perConnection = 500;
const path = '/api/v1/namespaces/default/configmaps?watch=1&fieldSelector=metadata.name%3Dseen';

interface Watching {
  /** So many watches were answered with 200. */
  opened: number;
  /** So many saw the object. */
  seen: number;
  /** Anything but an answer with 200 and lines of JSON. */
  troubles: string[];
}

function watchAll(session: ClientHttp2Session, watching: Watching): void {
  session.on('error', (error) => watching.troubles.push(error.message));
  for (let i = 0; i < perConnection; i++) {
    const stream = session.request({ ':path': path });
    stream.setEncoding('utf8');
    stream.on('response', ({ ':status': status }) => {
      if (status === 200) watching.opened++;
      else watching.troubles.push(`status ${status}`);
    });
    let text = '';
    stream.on('data', (part: string) => {
      text += part;
      if (part.endsWith('\n') && /"type":"ADDED".*"name":"seen"/.test(text)) watching.seen++;
    });
    stream.on('error', (error) => watching.troubles.push(error.message));
  }
}

test('ten thousand open watches: each sees an event, others are served meanwhile, and all is given back', async (t) => {
  await using glass = await startGlass({ runtime: 'sim' });
  const config = new KubeConfig();
  config.loadFromFile(glass.kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const { server, caData } = config.getCurrentCluster()!;
  const { certData, keyData } = config.getCurrentUser()!;
  const pem = (data: string | undefined) => Buffer.from(data ?? '', 'base64');
  const credentials = { ca: pem(caData), cert: pem(certData), key: pem(keyData) };
  const watching: Watching = { opened: 0, seen: 0, troubles: [] };
  const sessions = Array.from({ length: count / perConnection }, () => connect(server, credentials));
  t.after(() => sessions.forEach((session) => session.destroy()));
  for (const session of sessions) watchAll(session, watching);
  await eventually(() => watching.opened === count || watching.troubles.length > 0, 60);
  assert.deepEqual(watching.troubles, []);

  const configMap = (name: string) => ({ namespace: 'default', body: { metadata: { name } } });
  await core.createNamespacedConfigMap(configMap('seen'));
  await eventually(() => watching.seen === count, 30);
  const began = performance.now();
  await core.createNamespacedConfigMap(configMap('other'));
  assert.equal((await core.listNamespacedConfigMap({ namespace: 'default', labelSelector: 'none' })).items.length, 0);
  assert.ok(performance.now() - began < 5000, 'others are served');
  if (process.platform === 'linux') {
    const resident = residentOf(glass.process.pid!);
    t.diagnostic(`${Math.round(resident)} MB resident with ${count} watches`);
    assert.ok(resident < 1000, `${resident} MB`);
  }

  for (const session of sessions) session.destroy();
  await eventually(async () => {
    const metrics = await textOf(`${server}/metrics`, credentials);
    const open = /^apiserver_longrunning_requests\{verb="WATCH".*resource="configmaps".*\} (\d+)$/m.exec(metrics)?.[1];
    return Number(open) < 100;
  });
  await core.createNamespacedConfigMap(configMap('after'));
  assert.equal((await core.readNamespacedConfigMap({ namespace: 'default', name: 'seen' })).metadata?.name, 'seen');
});

/** Megabytes. */
function residentOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

function textOf(url: string, credentials: RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { ...credentials, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}
