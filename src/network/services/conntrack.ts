/**
 * Datagrams keep going where the kernel sent the first one. When an endpoint of a UDP Service goes, its entries in the
 * kernel's connection table go too, if the program `conntrack` is there; without it they last until half a minute of silence.
 */
import { type Run, RunError } from '../run.ts';
import type { Ruleset } from './rules.ts';

interface Flow {
  /** Undefined: by node port. */
  ip: string | undefined;
  port: string;
  target: string;
}

/** The UDP flows that a change cuts off. */
export function lostFlows({ from, to }: { from: Ruleset; to: Ruleset }): Flow[] {
  const still = new Set(flowsOf(to).map((flow) => JSON.stringify(flow)));
  return flowsOf(from).filter((flow) => !still.has(JSON.stringify(flow)));
}

function flowsOf(rules: Ruleset): Flow[] {
  return [...rules.elements].flatMap(([id, value]) => {
    const found = /^(?:node-)?endpoints\|(?:(\S+) \. )?udp \. (\d+) \. /.exec(id);
    return found ? [{ ip: found[1], port: found[2] as string, target: value.split(' ')[0] as string }] : [];
  });
}

/** Rejects when it could not be done; "nothing to delete" is fine. */
export async function forgetFlow(run: Run, { ip, port, target }: Flow): Promise<void> {
  const args = ['-D', '-p', 'udp', ...(ip === undefined ? [] : ['-d', ip]), '--dport', port, '--dst-nat', target];
  try {
    await run('conntrack', args);
  } catch (error) {
    if (!(error instanceof RunError) || !/0 flow entries/.test(error.stderr)) throw error;
  }
}
