/** The integration tests of the official JavaScript client. See ../README.md. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { type Choice, record } from '../score.ts';
import { type Run, withCluster } from './cluster.ts';
import { checkout, places } from './places.ts';

const release = '2.0.1';
const folder = 'src/test/integration';
const installed = join(places.root, 'npm');
/** Where the tests expect the library, two folders above. */
const into = join(installed, 'node_modules/@kubernetes/client-node/dist/test/integration');
/** No tests: what they share, and the list of them. */
const others = ['helpers', 'index', 'name'];

/** The library is the published one; its tests are in the repository alone, and are put beside it. */
function fetch(): void {
  const clone = checkout('javascript', [folder]);
  mkdirSync(installed, { recursive: true });
  if (!existsSync(join(installed, 'node_modules')))
    execFileSync(
      'npm',
      ['install', '--ignore-scripts', '--no-audit', '--no-fund', `@kubernetes/client-node@${release}`],
      {
        cwd: installed,
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    );
  mkdirSync(into, { recursive: true });
  for (const file of readdirSync(join(clone, folder))) {
    const text = readFileSync(join(clone, folder, file), 'utf8');
    writeFileSync(join(into, file.replace(/\.ts$/, '.js')), stripTypeScriptTypes(text));
  }
}

/** `seconds`: for one test. */
export function runJavascript({ parts, seconds }: Choice & { seconds: number }): Promise<boolean> {
  return withCluster(fetch, (run) => test(run, parts, seconds));
}

async function test(run: Run, chosen: readonly string[], seconds: number): Promise<boolean> {
  const titles = readdirSync(into)
    .map((file) => file.replace(/\.js$/, ''))
    .filter((name) => !others.includes(name));
  const results = new Map<string, string>();
  for (const title of titles.filter((one) => chosen.length === 0 || chosen.some((part) => one.includes(part)))) {
    const started = `const { default: test } = await import('./${title}.js'); await test(); process.exit(0);`;
    const { code, text } = await run(process.execPath, ['--input-type=module', '-e', started], { cwd: into, seconds });
    writeFileSync(join(places.logs, `javascript-${title}.log`), text);
    const why = code === 0 ? '' : (/^.*Error.*$/m.exec(text)?.[0] ?? 'failed').slice(0, 200);
    results.set(title, why);
    console.log(`${why === '' ? 'passed' : 'FAILED'}  ${title}${why && `: ${why}`}`);
  }
  record('javascript', `integration tests of kubernetes-client/javascript, release ${release}`, titles, results);
  return [...results.values()].every((why) => why === '');
}
