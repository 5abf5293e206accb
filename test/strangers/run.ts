/** The command: runs software that this project did not write against Glasshouse, and keeps the score. See README.md. */
import { parseArgs } from 'node:util';
import { runCharts } from './charts/run.ts';
import { runJavascript } from './clients/javascript.ts';
import { runPython } from './clients/python.ts';
import { runKubectl } from './kubectl/run.ts';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '300' },
    workers: { type: 'string', default: '3' },
    failing: { type: 'boolean', default: false },
    new: { type: 'boolean', default: false },
  },
});
const [suite, ...parts] = positionals;
const suites = { kubectl: runKubectl, python: runPython, javascript: runJavascript, charts: runCharts };
if (suite !== undefined && Object.hasOwn(suites, suite)) {
  const passed = await suites[suite as keyof typeof suites]({
    parts,
    failing: flags.failing,
    untried: flags.new,
    seconds: Number(flags.seconds),
    workers: Number(flags.workers),
  });
  process.exitCode = passed ? 0 : 1;
} else {
  process.stderr.write(`error: ${suite ?? 'no suite'}: one of ${Object.keys(suites).join(', ')} is expected\n`);
  process.exitCode = 2;
}
