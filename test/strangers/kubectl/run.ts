/** Upstream's shell suite for kubectl: its functions, one after the other, against one cluster. See ../README.md. */
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, issue } from '../../../src/apiserver/index.ts';
import { clusterRoleBindings } from '../../../src/api/index.ts';
import { systemClock } from '../../../src/machinery/index.ts';
import { type Cluster, startCluster } from '../../../src/testing/index.ts';
import { type Choice, chosenOf, record } from '../score.ts';
import { places } from './places.ts';
import { functions, makeTree } from './tree.ts';

/** What the suite's list does between its functions; that has no name there. */
const between = 'between';

/** Upstream's cluster for this has a server and controllers, and neither scheduler nor node agent; it knows one token, and all may all. */
async function upstreamsCluster() {
  const testdata = (file: string) => readFileSync(join(places.tree, 'hack/testdata', file), 'utf8');
  const cluster = await startCluster({
    clock: systemClock,
    authority: { certificate: testdata('ca/ca.crt'), key: testdata('ca/ca.key') },
    scheduler: false,
    apiserver: {
      serviceCIDR: '10.0.0.0/24',
      disabledAdmission: ['ServiceAccount', 'DefaultStorageClass', 'DefaultTolerationSeconds'],
      anonymous: () => false,
      tokens: [
        {
          authenticate: (token) =>
            token === 'admin-token' ? { name: 'admin', groups: ['system:masters', 'system:authenticated'] } : undefined,
        },
      ],
    },
  });
  const apiGroup = 'rbac.authorization.k8s.io';
  await cluster.client.create(clusterRoleBindings, {
    metadata: { name: 'all-may-all' },
    roleRef: { apiGroup, kind: 'ClusterRole', name: 'cluster-admin' },
    // the suite asks about a user of the last group
    subjects: ['system:authenticated', 'the-group'].map((name) => ({
      apiGroup,
      kind: 'Group',
      name,
    })),
  });
  return cluster;
}

/** The suite brings the authority of its clients' certificates, and looks for it. */
async function listen(cluster: Cluster, scratch: string): Promise<number> {
  const now = Date.now();
  const day = 24 * 3600_000;
  const { certificate, key } = issue(createAuthority('strangers', now), {
    commonName: 'kube-apiserver',
    hosts: ['127.0.0.1', 'localhost'],
    uses: ['server'],
    notBefore: now - day,
    notAfter: now + day,
  });
  writeFileSync(join(scratch, 'apiserver.crt'), certificate);
  const clientAuthority = readFileSync(join(places.tree, 'hack/testdata/ca/ca.crt'), 'utf8');
  const host = '127.0.0.1';
  const { port } = await cluster.apiserver.listen({
    certificate,
    key,
    clientAuthority,
    host,
    port: 0,
    advertise: host,
  });
  return port;
}

interface Server {
  port: number;
  /** What upstream's server leaves its certificate in. */
  scratch: string;
}

async function passes(name: string, { port, scratch }: Server, seconds: number): Promise<boolean> {
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, TERM: 'xterm', ALLOW_SKEW: 'true', API_PORT: String(port), TMPDIR: scratch };
  const args = ['-n', '5', 'bash', places.driver, ...(name === between ? [] : [name])];
  const child = spawn('nice', args, { cwd: places.tree, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const log = createWriteStream(join(places.logs, `${name}.log`));
  for (const stream of [child.stdout, child.stderr]) stream.pipe(log, { end: false });
  const end = () => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // all of them have ended
    }
  };
  process.once('exit', end);
  const limit = setTimeout(end, seconds * 1000);
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  clearTimeout(limit);
  process.off('exit', end);
  end();
  log.end();
  return code === 0;
}

export async function runKubectl({ seconds, ...choice }: Choice & { seconds: number }): Promise<boolean> {
  makeTree();
  mkdirSync(places.logs, { recursive: true });
  const all = [...functions(), between];
  const wanted = chosenOf('kubectl', all, choice);
  console.log(`${wanted.length} of kubectl's functions; logs in ${places.logs}`);
  await using cluster = await upstreamsCluster();
  const scratch = mkdtempSync(join(tmpdir(), 'strangers-'));
  const port = await listen(cluster, scratch);
  const results = new Map<string, string>();
  for (const name of wanted) {
    const began = performance.now();
    const passed = await passes(name, { port, scratch }, seconds);
    results.set(name, passed ? '' : 'failed');
    const took = ((performance.now() - began) / 1000).toFixed(0).padStart(4);
    console.log(`${passed ? 'passed' : 'FAILED'} ${took} s  ${name}`);
    record('kubectl', 'Kubernetes v1.36.0 test/cmd', all, results);
  }
  rmSync(scratch, { recursive: true, force: true });
  return [...results.values()].every((why) => why === '');
}
