/** A copy of what upstream's shell suite reads and writes, from its published Go module, with the programs that it would build. */
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { buildPrograms, upstreamFolder } from '../../conformance/build.ts';
import { places } from './places.ts';

const folders = ['hack', 'test/cmd', 'test/fixtures', 'test/e2e/testing-manifests', 'third_party/forked/shell2junit'];
const programs = ['kubectl', 'kubectl-convert'].map((name) => ({ name, of: `k8s.io/kubernetes/cmd/${name}` }));

export function makeTree(): void {
  const built = buildPrograms(programs);
  if (existsSync(places.tree)) return;
  const fresh = `${places.tree}.new`;
  rmSync(fresh, { recursive: true, force: true });
  const upstream = upstreamFolder();
  for (const folder of folders) cpSync(join(upstream, folder), join(fresh, folder), { recursive: true });
  makeWritable(fresh);
  mkdirSync(join(fresh, '_output/bin'), { recursive: true });
  for (const { name } of programs) symlinkSync(join(built, name), join(fresh, '_output/bin', name));
  renameSync(fresh, places.tree);
}

/** Go's cache of modules is read-only, and no file in it is marked as a program. */
function makeWritable(path: string): void {
  if (lstatSync(path).isDirectory()) {
    chmodSync(path, 0o755);
    for (const name of readdirSync(path)) makeWritable(join(path, name));
  } else {
    chmodSync(path, 0o644);
    if (readFileSync(path, 'latin1').startsWith('#!')) chmodSync(path, 0o755);
  }
}

/** The suite's functions, in its own order. */
export function functions(): string[] {
  const list = readFileSync(join(places.tree, 'test/cmd/legacy-script.sh'), 'utf8');
  return [...list.matchAll(/^\s*record_command (run_\w+)$/gm)].map(([, name]) => name!);
}
