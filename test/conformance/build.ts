/**
 * Builds upstream's suite and the programs that it needs, from the published Go modules, into the cache folder. Nothing of
 * upstream is kept in this repository. The first build takes minutes; later ones find everything in Go's own cache.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { places } from './places.ts';

const release = 'v1.36.0';
/** The modules that upstream develops beside the main one are published with this version. */
const staging = 'v0.36.0';

interface Program {
  name: string;
  /** Its package. */
  of: string;
}

const programs: readonly Program[] = [
  { name: 'kubectl', of: 'k8s.io/kubernetes/cmd/kubectl' },
  { name: 'agnhost', of: 'k8s.io/kubernetes/test/images/agnhost' },
  { name: 'nonewprivs', of: 'k8s.io/kubernetes/test/images/nonewprivs' },
  { name: 'sample-apiserver', of: 'k8s.io/sample-apiserver' },
];

const program = (name: string) => join(places.bin, name);

export function build(): void {
  buildPrograms(programs);
  if (existsSync(program('e2e.test'))) return;
  go('test', '-c', '-ldflags', stamps(), '-o', program('e2e.test'), 'k8s.io/kubernetes/test/e2e');
}

/** Those of upstream's programs that are not there yet; returns the folder that they are in. */
export function buildPrograms(list: readonly Program[]): string {
  const missing = list.filter(({ name }) => !existsSync(program(name)));
  if (missing.length > 0) {
    for (const folder of [places.bin, places.module]) mkdirSync(folder, { recursive: true });
    writeModule(upstreamFolder());
  }
  for (const { name, of } of missing) go('build', '-ldflags', stamps(), '-o', program(name), of);
  return places.bin;
}

/** Upstream's programs tell their version; a build of a module does not. */
function stamps(): string {
  const stamp = (name: string, value: string) => `-X k8s.io/component-base/version.${name}=${value}`;
  const [major, minor] = release.slice(1).split('.');
  return ['-s -w', stamp('gitVersion', release), stamp('gitMajor', major!), stamp('gitMinor', minor!)].join(' ');
}

export function upstreamFolder(): string {
  const env = { ...process.env, GOWORK: 'off', GOFLAGS: '-mod=mod' };
  const answer = execFileSync('go', ['mod', 'download', '-json', `k8s.io/kubernetes@${release}`], { env, cwd: '/' });
  return (JSON.parse(String(answer)) as { Dir: string }).Dir;
}

/** Upstream's own requirements, with its folders replaced by the versions they are published as. */
function writeModule(upstream: string): void {
  const text = readFileSync(join(upstream, 'go.mod'), 'utf8');
  const blocks = [...text.matchAll(/^require \([\s\S]*?^\)/gm)].map(([block]) => block);
  const replaced = /^replace \([\s\S]*?^\)/m.exec(text)?.[0].replace(/\.\/staging\/src\/(\S+)/g, `$1 ${staging}`);
  const lines = [
    'module conformance',
    ...(text.match(/^(go|godebug) .*$/gm) ?? []),
    `require k8s.io/kubernetes ${release}`,
    ...blocks,
    replaced ?? '',
    '',
  ];
  writeFileSync(join(places.module, 'go.mod'), lines.join('\n'));
  copyFileSync(join(upstream, 'go.sum'), join(places.module, 'go.sum'));
  chmodSync(join(places.module, 'go.sum'), 0o644);
}

function go(...args: string[]): void {
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod', GOWORK: 'off' };
  process.stderr.write(`go ${args[0]} ${args.at(-1)}\n`);
  execFileSync('nice', ['-n', '15', 'go', ...args], { cwd: places.module, env, stdio: ['ignore', 2, 2] });
}
