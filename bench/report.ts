/** How every benchmark tells its result: for people, or as one JSON object. */
import { cpus, totalmem } from 'node:os';

export interface Measured {
  name: string;
  /** What was measured, in a sentence. */
  what: string;
  unit: string;
  /** One figure a run. */
  figures: readonly number[];
  /** The same load on the peer, in the same run. */
  peer?: { name: string; figures: readonly number[] };
  goal: string;
  met(median: number, ratio: number | undefined): boolean;
  /** What else was seen in the same run. */
  also?: readonly { name: string; unit: string; figure: number; peer?: number }[];
  /** Whether more is better: how the ratio to the peer is taken. */
  moreIsBetter?: boolean;
}

export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function report({ name, what, unit, figures, peer, goal, met, also = [], moreIsBetter }: Measured): void {
  const middle = median(figures);
  const peerMedian = peer && median(peer.figures);
  const ratio = peerMedian === undefined ? undefined : moreIsBetter ? middle / peerMedian : peerMedian / middle;
  const result = {
    name,
    unit,
    median: round(middle),
    min: round(Math.min(...figures)),
    max: round(Math.max(...figures)),
    runs: figures.length,
    ...(peer && { peer: peer.name, peerMedian: round(peerMedian!), ratio: round(ratio!) }),
    ...(also.length > 0 && { also }),
    goal,
    met: met(middle, ratio),
  };
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  const model = cpus()[0]?.model ?? 'unknown';
  process.stdout.write(`${name}: ${what}\n`);
  process.stdout.write(
    `machine  ${cpus().length} × ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}\n`,
  );
  process.stdout.write(
    `result   median ${result.median} ${unit} (min ${result.min}, max ${result.max}, ${result.runs} runs)\n`,
  );
  if (peer) process.stdout.write(`peer     ${peer.name}: median ${result.peerMedian} ${unit}, ratio ${result.ratio}\n`);
  for (const one of also)
    process.stdout.write(
      `also     ${one.name}: ${round(one.figure)} ${one.unit}${one.peer === undefined ? '' : `, peer ${round(one.peer)} ${one.unit}`}\n`,
    );
  process.stdout.write(`goal     ${goal}: ${result.met ? 'met' : 'missed'}\n`);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
