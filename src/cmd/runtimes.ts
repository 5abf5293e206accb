/** Which runtime this machine can have. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Failure, type RuntimeName } from '../cli/index.ts';

export interface ChosenRuntime {
  name: RuntimeName;
  /** What the choice costs and how to change it; '' when there is nothing to say. */
  remark: string;
}

const ociPrograms = ['crun', 'runc'];

export function chooseRuntime(asked: RuntimeName | 'auto'): ChosenRuntime {
  const root = process.platform === 'linux' && process.getuid?.() === 0;
  const oci = ociPrograms.some(onPath);
  const tools = ['ip', 'nft'].filter((program) => !onPath(program));
  const install = 'apt-get install crun nftables iproute2';
  if (asked === 'oci') {
    if (!root) throw new Failure('--runtime oci needs root on Linux: run as root, or choose --runtime process');
    if (!oci)
      throw new Failure(`--runtime oci needs crun or runc on the PATH: ${install}, or choose --runtime process`);
    if (tools.length > 0)
      throw new Failure(`--runtime oci needs ${tools.join(' and ')}: ${install}, or choose --runtime process`);
  }
  if (asked !== 'auto') return { name: asked, remark: '' };
  if (root && oci && tools.length === 0) return { name: 'oci', remark: '' };
  const cost = "programs run as plain processes: no memory or CPU limits, and they share this machine's network";
  const missing = [...(oci ? [] : ['crun']), ...tools];
  const change = root
    ? `install ${missing.join(', ')} for containers (${install})`
    : 'run as root with crun for containers';
  return { name: 'process', remark: `${cost}; ${change}` };
}

/** crun or runc, where this process may start containers. */
export function ociProgram(): string | undefined {
  return process.platform === 'linux' && process.getuid?.() === 0 ? ociPrograms.find(onPath) : undefined;
}

function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
