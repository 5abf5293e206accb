/** A cluster that does nothing: what it keeps in memory and what it costs to keep it waiting. Ends after half a minute. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGlass } from '../test/testkit/glass.ts';
import { report } from './report.ts';

/** Milliseconds: until what the start left behind is done, and of measuring. */
const settles = 15_000;
const measured = 30_000;
const samples = 10;
const ticksPerSecond = 100;

const glass = await startGlass({ runtime: 'process' });
try {
  const pid = glass.process.pid!;
  await sleep(settles);
  const memory: number[] = [];
  const processor: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    const [before, began] = [ticksOf(pid), performance.now()];
    await sleep(measured / samples);
    const seconds = (performance.now() - began) / 1000;
    processor.push(((ticksOf(pid) - before) / ticksPerSecond / seconds) * 100);
    memory.push(residentOf(pid));
  }
  report({
    name: 'idle-memory',
    what: `resident memory of an idle \`glass up\` (runtime process), ${samples} looks in ${measured / 1000} s`,
    unit: 'MB',
    figures: memory,
    goal: 'under 150 MB',
    met: (median) => median < 150,
  });
  report({
    name: 'idle-cpu',
    what: `of one core, in slices of ${measured / samples / 1000} s; the mean of them is what counts`,
    unit: '%',
    figures: [processor.reduce((sum, each) => sum + each, 0) / samples],
    goal: 'under 1 %',
    met: (mean) => mean < 1,
  });
} finally {
  await glass[Symbol.asyncDispose]();
}

/** Of user and system time. */
function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function residentOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1000;
}
