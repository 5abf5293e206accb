/**
 * The shell script that becomes a container's program. Two ways: inside the image's root filesystem, by a user
 * namespace; or, where there are none, on the host's own, beginning in the unpacked image. Variables travel in the script's
 * file, which only we can read, and not on command lines, which everybody can.
 */
import { files } from '../holder.ts';
import { quote, quoteAll } from '../quote.ts';

export interface Program {
  /** The container's folder. */
  directory: string;
  rootfs: string;
  /** Inside; on the host's filesystem when there is no way inside. */
  workingDir: string;
  /** The pod's; programs see it as the machine's name where they have namespaces of their own. */
  hostname: string;
  command: string[];
  env: [name: string, value: string][];
}

export interface Tools {
  nsenter: string;
  env: string;
}

export interface Binding {
  source: string;
  /** On the host, below the root filesystem. */
  target: string;
  readOnly: boolean;
}

/** Run as process 1 of new user, mount and process namespaces: mounts, tells its number, steps in, becomes the program. */
export function enteredScript(program: Program, bindings: Binding[], tools: Tools): string {
  const { rootfs, directory, workingDir, hostname } = program;
  const enter = [tools.nsenter, `--root=${rootfs}`, `--wd=${rootfs}${workingDir}`, '--'];
  return `set -e
read -r pid rest </proc/self/stat
root=${quote(rootfs)}
mount --rbind "$root" "$root"
mount -a -T ${quote(`${directory}/${mountTable}`)}
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
${bindings
  .filter(({ readOnly }) => readOnly)
  .map(protect)
  .join('\n')}
echo "$pid" >${quote(`${directory}/${files.pid}`)}
set +e
hostname ${quote(hostname)} 2>/dev/null
${exportLines(program.env)}
exec ${becomes(program, enter, tools)}
`;
}

/** A remount must keep what the filesystem was mounted with, or the kernel refuses it: mount reads that back. */
function protect({ target }: Binding): string {
  return `mount -o remount,bind,ro ${quote(target)}`;
}

export const mountTable = 'fstab';

/** All mounts in one table, as fstab(5): one process makes them, not one each. */
export function mountTableOf(bindings: Binding[]): string {
  return bindings.map(({ source, target }) => `${escaped(source)} ${escaped(target)} none rbind 0 0\n`).join('');
}

function escaped(path: string): string {
  return path.replaceAll(/[\s\\#]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

/** Another command inside a running container. */
export function insideScript(program: Program, pid: number, tools: Tools): string {
  const namespaces = [
    '--user',
    '--preserve-credentials',
    '--mount',
    '--uts',
    '--pid',
    '--root',
    `--wdns=${program.workingDir}`,
  ];
  const enter = [tools.nsenter, `--target=${pid}`, ...namespaces, '--'];
  return `${exportLines(program.env)}\nexec ${becomes(program, enter, tools)}\n`;
}

/** Without namespaces: on the host's filesystem. */
export function hostScript(program: Program, tools: Tools, tellPid: boolean): string {
  const tell = tellPid ? `echo $$ >${quote(`${program.directory}/${files.pid}`)}\n` : '';
  const cd = `cd ${quote(program.workingDir)} || exit 126\n`;
  return `${cd}${tell}${exportLines(program.env)}\nexec ${becomes(program, [], tools)}\n`;
}

const shellName = /^[A-Za-z_][A-Za-z0-9_]*$/;

function becomes({ command, env }: Program, enter: string[], tools: Tools): string {
  const odd = env.filter(([name]) => !shellName.test(name) && !name.includes('='));
  // Variables with names that a shell cannot export must go by way of `env`; all others stay off the command line.
  const set = odd.length > 0 ? [tools.env, ...odd.map(([name, value]) => `${name}=${value}`)] : [];
  return quoteAll([...set, ...enter, ...command]);
}

function exportLines(env: Program['env']): string {
  const own = env.filter(([name]) => shellName.test(name));
  return ['unset LANG HOME SHELL OLDPWD', ...own.map(([name, value]) => `export ${name}=${quote(value)}`)].join('\n');
}
