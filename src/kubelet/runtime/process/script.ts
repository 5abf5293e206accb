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
  directory: boolean;
}

const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];

/** Run as process 1 of new user, mount and process namespaces: mounts, tells its number, steps in, becomes the program. */
export function enteredScript(program: Program, bindings: Binding[], tools: Tools): string {
  const root = quote(program.rootfs);
  const enter = [tools.nsenter, `--root=${program.rootfs}`, `--wd=${program.rootfs}${program.workingDir}`, '--'];
  return `set -e
read -r pid rest </proc/self/stat
root=${root}
mount --rbind "$root" "$root"
mkdir -p "$root/dev" "$root/proc" "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for each in ${devices.join(' ')}; do : >"$root/dev/$each"; mount --bind "/dev/$each" "$root/dev/$each"; done
mkdir "$root/dev/pts" "$root/dev/shm"
mount --rbind /dev/pts "$root/dev/pts"
mount -t tmpfs -o mode=1777,size=64m shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"; ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"; ln -s fd/1 "$root/dev/stdout"; ln -s fd/2 "$root/dev/stderr"
mount --rbind /sys "$root/sys"
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
${bindings.map(bindLines).join('\n')}
echo "$pid" >${quote(`${program.directory}/${files.pid}`)}
set +e
${exportLines(program.env)}
exec ${becomes(program, enter, tools)}
`;
}

function bindLines({ source, target, readOnly, directory }: Binding): string {
  const [from, to] = [quote(source), quote(target)];
  const make = directory ? `mkdir -p ${to}` : `[ -e ${to} ] || : >${to}`;
  // A remount must keep what the filesystem was mounted with, or the kernel refuses it: util-linux reads it back.
  return `${make}\nmount --rbind ${from} ${to}${readOnly ? `\nmount -o remount,bind,ro ${to}` : ''}`;
}

/** Another command inside a running container. */
export function insideScript(program: Program, pid: number, tools: Tools): string {
  const namespaces = ['--user', '--preserve-credentials', '--mount', '--pid', '--root', `--wdns=${program.workingDir}`];
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
