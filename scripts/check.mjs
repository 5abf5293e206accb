// `npm run check`: types, lint, format, walls, fast tests; `npm run fix` repairs what can be repaired.
import { performance } from 'node:perf_hooks';
import { ensureInstalled, run } from './install.mjs';

ensureInstalled({ development: true });
const fix = process.argv.includes('--fix');
const checks = [
  ['format', 'biome', ['format', ...(fix ? ['--write'] : []), '.']],
  ['lint', 'oxlint', ['--quiet', ...(fix ? ['--fix'] : []), 'src', 'test', 'bench', 'scripts']],
  ['types', 'node', ['node_modules/typescript-native/bin/tsc', '-p', '.']],
  [
    'walls',
    'node',
    [
      'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs',
      '--config',
      '.dependency-cruiser.cjs',
      '--output-type',
      'err',
      'src',
    ],
  ],
  [
    'tests',
    'node',
    ['--test', '--test-reporter=dot', 'src/machinery/**/*.test.ts', 'src/api/**/*.test.ts', 'src/cli/**/*.test.ts'],
  ],
];
let failed = 0;
for (const [name, command, args] of checks) {
  const started = performance.now();
  const code = run(command, args);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)\n`);
  if (code !== 0) failed++;
}
process.exit(failed === 0 ? 0 : 1);
