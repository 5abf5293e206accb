/**
 * A base image from what this machine has: a program, the shared libraries it loads, the accounts and certificates that
 * programs look for, and nothing else: no shell. The base for Node is made once per Node binary.
 */
import { open, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../../machinery/index.ts';
import { command } from '../command.ts';
import { fileBody, filePart, type TarPart, tarEntry } from '../tar/write.ts';

/** Who programs run as unless an image says otherwise. */
export const nobodyId = 65532;

const passwd = `root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:${nobodyId}:${nobodyId}:nonroot:/home/nonroot:/sbin/nologin\n`;
const group = `root:x:0:\nnonroot:x:${nobodyId}:\n`;
const certificates = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'];
/** glibc loads these by name when it resolves host names; newer ones have them built in. */
const resolverLibraries = ['libnss_files.so.2', 'libnss_dns.so.2', 'libresolv.so.2'];

/** The program loader that an ELF file names; '' for a static one; undefined when the file is no ELF executable. */
export async function interpreterOf(file: string): Promise<string | undefined> {
  const handle = await open(file, 'r');
  try {
    const header = Buffer.alloc(64);
    const { bytesRead } = await handle.read(header, 0, 64, 0);
    if (bytesRead < 64 || header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1) return undefined;
    const [offset, size, count] = [
      Number(header.readBigUInt64LE(32)),
      header.readUInt16LE(54),
      header.readUInt16LE(56),
    ];
    for (let at = 0; at < count; at += 1) {
      const segment = Buffer.alloc(56);
      await handle.read(segment, 0, 56, offset + at * size);
      if (segment.readUInt32LE(0) !== 3) continue; // PT_INTERP
      const name = Buffer.alloc(Math.min(4096, Number(segment.readBigUInt64LE(32))));
      await handle.read(name, 0, name.length, Number(segment.readBigUInt64LE(8)));
      return name.toString('utf8').replace(/\0.*$/s, '');
    }
    return '';
  } finally {
    await handle.close();
  }
}

/** Absolute paths, as the loader looks for them, of everything a program needs to start. */
export async function librariesOf(program: string, clock: Clock): Promise<string[]> {
  const loader = await interpreterOf(program);
  if (loader === undefined)
    throw new Error(`${program} is not a 64-bit ELF program: only such a one can be put into an image as it is`);
  if (loader === '') return [];
  if (!(await stat(loader).catch(() => undefined)))
    throw new Error(
      `${program} wants the program loader ${loader}, which this machine does not have; name a base image`,
    );
  const told = await command([loader, '--list', program], { clock, timeout: 20_000 });
  const found = new Set([loader]);
  for (const line of told.split('\n')) {
    const missing = /^\s*(\S+) => not found/.exec(line)?.[1];
    if (missing)
      throw new Error(`${program} needs the library ${missing}, which this machine does not have; name a base image`);
    const library = /(?:=>\s*)?(\/\S+)\s+\(0x[0-9a-f]+\)/.exec(line)?.[1];
    if (library) found.add(library);
  }
  for (const directory of new Set(
    [...found].filter((each) => path.basename(each) === 'libc.so.6').map((each) => path.dirname(each)),
  ))
    for (const name of resolverLibraries)
      if (await stat(path.join(directory, name)).catch(() => undefined)) found.add(path.join(directory, name));
  return [...found].toSorted();
}

/** A layer with `program` at `to` (both absolute), its libraries where they are here, and the minimal files around them. */
export async function runtimeParts(program: string, to: string, clock: Clock, mtime: number): Promise<TarPart[]> {
  const parts = new Map<string, TarPart>();
  const put = (part: TarPart) => void parts.set(part.entry.name, part);
  const directory = (name: string, mode = 0o755, owner = 0) =>
    put({ entry: tarEntry({ name, type: 'directory', mode, mtime, uid: owner, gid: owner }) });
  const copy = async (from: string, at: string, mode: number) => {
    const name = at.slice(1);
    for (let up = path.dirname(name); up !== '.'; up = path.dirname(up)) directory(up);
    const real = await realpath(from);
    const { size } = await stat(real);
    put({ entry: tarEntry({ name, size, mode, mtime }), body: fileBody(real) });
  };
  for (const name of ['dev', 'etc', 'home', 'proc', 'root', 'sys', 'usr', 'var']) directory(name);
  directory('tmp', 0o1777);
  directory('home/nonroot', 0o700, nobodyId);
  await copy(program, to, 0o755);
  for (const library of await librariesOf(program, clock)) await copy(library, library, 0o755);
  for (const bundle of certificates)
    if (await stat(bundle).catch(() => undefined)) {
      await copy(bundle, '/etc/ssl/certs/ca-certificates.crt', 0o644);
      break;
    }
  put(filePart('etc/passwd', passwd, { mtime }));
  put(filePart('etc/group', group, { mtime }));
  put(filePart('etc/nsswitch.conf', 'hosts: files dns\n', { mtime }));
  return [...parts.values()].toSorted((a, b) => (a.entry.name < b.entry.name ? -1 : 1));
}

/** What the base depends on, without reading it: size, time and inode of the program. */
export async function identityOf(program: string): Promise<string[]> {
  const { size, mtimeMs, ino } = await stat(await realpath(program));
  return [program, String(size), String(mtimeMs), String(ino)];
}
