/** The end-to-end tests of the official Python client, synchronous, asynchronous and dynamic. See ../README.md. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Choice, record } from '../score.ts';
import { type Run, withCluster } from './cluster.ts';
import { checkout, places } from './places.ts';

const release = '37.0.2';
const venv = join(places.root, 'venv');
const program = join(venv, 'bin/python');
/** In the repository, and where the published package has its neighbours. */
const folders = [
  { from: 'kubernetes/e2e_test', to: 'kubernetes/e2e_test' },
  { from: 'kubernetes/aio/e2e_test', to: 'kubernetes/aio/e2e_test' },
  { from: 'kubernetes/base/dynamic', to: 'kubernetes/dynamic' },
];

/** The library is the published one; its tests are in the repository alone, and are put beside it. */
function fetch(): void {
  const clone = checkout(
    'python',
    folders.map(({ from }) => from),
  );
  if (!existsSync(program)) execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' });
  const wanted = [`kubernetes==${release}`, 'pytest==9.2.0', 'pytest-timeout==2.4.0', 'aiohttp'];
  execFileSync(program, ['-m', 'pip', 'install', '--quiet', ...wanted], { stdio: 'inherit' });
  for (const { from, to } of folders) {
    const into = join(packages(), to);
    if (!existsSync(into)) cpSync(join(clone, from), into, { recursive: true });
    else for (const file of testsIn(join(clone, from))) cpSync(join(clone, from, file), join(into, file));
  }
}

function packages(): string {
  const [version] = readdirSync(join(venv, 'lib'));
  return join(venv, 'lib', version!, 'site-packages');
}

const testsIn = (folder: string) => readdirSync(folder).filter((file) => /^test_.*\.py$/.test(file));

/** `seconds`: for one test. */
export function runPython({ parts, seconds }: Choice & { seconds: number }): Promise<boolean> {
  return withCluster(fetch, (run) => test(run, parts, seconds));
}

async function test(run: Run, chosen: readonly string[], seconds: number): Promise<boolean> {
  const cwd = packages();
  const files = folders.flatMap(({ to }) => testsIn(join(cwd, to)).map((file) => join(to, file)));
  const pytest = (args: string[], all: number) =>
    run(program, ['-m', 'pytest', '-p', 'no:cacheprovider', ...args, ...files], { cwd, seconds: all });
  const collected = await pytest(['--collect-only', '-q'], 60);
  const titles = collected.text.split('\n').filter((line) => line.includes('::'));
  if (titles.length === 0) throw new Error(collected.text);
  const report = join(places.logs, 'python.xml');
  rmSync(report, { force: true });
  const words = chosen.length === 0 ? [] : ['-k', chosen.join(' or ')];
  await pytest([`--junitxml=${report}`, `--timeout=${seconds}`, ...words], seconds * 20);
  const results = resultsOf(readFileSync(report, 'utf8'));
  for (const [title, why] of results) console.log(`${why === '' ? 'passed' : 'FAILED'}  ${title}${why && `: ${why}`}`);
  record('python', `end-to-end tests of kubernetes-client/python, release ${release}`, titles, results);
  console.log(
    `${[...results.values()].filter((why) => why === '').length} of ${results.size} passed; report: ${report}`,
  );
  return [...results.values()].every((why) => why === '' || why.startsWith('skipped'));
}

/** By the names that pytest collects, why not; '' is none. */
function resultsOf(xml: string): Map<string, string> {
  const results = new Map<string, string>();
  const cases = /<testcase classname="([^"]*)" name="([^"]*)"[^>]*?(\/>|>([\s\S]*?)<\/testcase>)/g;
  for (const [, place, name, , inside = ''] of xml.matchAll(cases)) {
    const parts = place!.split('.');
    const file = parts.findIndex((part) => part.startsWith('test_'));
    const title = [`${parts.slice(0, file + 1).join('/')}.py`, ...parts.slice(file + 1), name].join('::');
    const [, kind, message = ''] = /<(failure|error|skipped)[^>]*? message="([^"]*)"/.exec(inside) ?? [];
    const said = message.replaceAll('&#10;', ' ').replaceAll('&quot;', '"').slice(0, 200);
    results.set(title.replace(/^.*site-packages\//, ''), kind === undefined ? '' : `${kind}: ${said}`);
  }
  return results;
}
