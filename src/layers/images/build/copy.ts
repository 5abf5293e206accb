/** COPY and ADD: which files, where to, whose, as a layer's parts. */
import { open } from 'node:fs/promises';
import path from 'node:path';
import { compressionOf, decompressed } from '../compression.ts';
import { readTar } from '../tar/read.ts';
import { fileBody, type TarPart, tarEntry } from '../tar/write.ts';
import { components } from '../unpack/tree.ts';
import { DockerfileError, type Instruction } from './dockerfile.ts';
import type { FileTables } from './files.ts';
import { fromWorkdir } from './metadata.ts';
import { type Ignore, isPattern, patternOf } from './patterns.ts';
import { digestOfFiles, listBelow, madeUp, type Placing, partOf, realInside, type SourceFile } from './sources.ts';
import { lookupOf, type Stage } from './stage.ts';
import { expand, words } from './words.ts';

export interface CopySource {
  /** A directory, or files that are made up. */
  from: { root: string; ignore: Ignore } | { files: readonly SourceFile[] };
  /** Let everybody read what is copied. */
  readable: boolean;
}

export interface CopyContext {
  stage: Stage;
  tables: FileTables;
  escape: string;
  /** Seconds since the epoch: the time that all copied files get. */
  mtime: number;
}

export interface Copied {
  /** Everything that the result depends on besides the layers below. */
  key: unknown[];
  parts: () => AsyncGenerator<TarPart>;
}

interface Chosen {
  /** Path below the destination directory; '' is the destination itself. */
  to: string;
  file: SourceFile;
}

const knownFlags = new Set(['from', 'chown', 'chmod', 'link']);

export async function planCopy(instruction: Instruction, source: CopySource, context: CopyContext): Promise<Copied> {
  for (const flag of instruction.flags.keys())
    if (!knownFlags.has(flag))
      throw new DockerfileError(
        instruction.line,
        `${instruction.name} --${flag} is not supported; there are --from, --chown and --chmod`,
      );
  const operands = operandsOf(instruction, context);
  const wanted = operands.slice(0, -1);
  const to = operands.at(-1) ?? '';
  const chosen: Chosen[] = [];
  for (const each of wanted) chosen.push(...(await choose(each, source, instruction)));
  const tops = wanted.length > 1 || chosen.some((each) => each.to === '' && each.file.type === 'directory');
  const place = await context.tables.resolve(context.stage.layers, fromWorkdir(context.stage, to));
  const single = chosen.length === 1 && chosen[0]?.file.type !== 'directory' && !tops;
  const into = !single || /(^|\/)\.?\/?$/.test(to) || place.isDirectory;
  if (wanted.length > 1 && !/(^\.{1,2}|\/)$/.test(to))
    throw new DockerfileError(
      instruction.line,
      `with several sources the destination ${JSON.stringify(to)} must end with "/"`,
    );
  const placing = await placingOf(instruction, context);
  const read = (file: SourceFile) =>
    source.readable && file.type !== 'symlink'
      ? (file.mode & 0o755) | (file.type === 'directory' ? 0o555 : 0o444)
      : file.mode;
  const target = (each: Chosen) => (into ? path.posix.join(place.path, each.to) : place.path);
  const key = [
    instruction.name,
    place.path,
    into,
    placing,
    source.readable,
    chosen.map((each) => each.to),
    await digestOfFiles(chosen.map((each) => each.file)),
  ];
  return { key, parts };

  async function* parts(): AsyncGenerator<TarPart> {
    const made = new Set<string>();
    const sorted = new Map(chosen.map((each) => [target(each), each.file]));
    for (const [name, file] of [...sorted].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      yield* parentsOf(name, made);
      if (name === '' || (file.type === 'directory' && (made.has(name) || (name === place.path && place.isDirectory))))
        continue;
      made.add(name);
      const archive =
        instruction.name === 'ADD' && file.type === 'file' ? await archiveIn(file, instruction) : undefined;
      if (archive) yield* extracted(archive, into ? path.posix.dirname(name) : name, placing);
      else yield partOf({ ...file, mode: read(file) }, { ...placing, to: name });
    }
  }

  /** Directories that the image does not have yet. */
  async function* parentsOf(name: string, made: Set<string>): AsyncGenerator<TarPart> {
    const above = name.split('/').slice(0, -1);
    for (let depth = 1; depth <= above.length; depth += 1) {
      const directory = above.slice(0, depth).join('/');
      if (made.has(directory)) continue;
      made.add(directory);
      if (directory !== '.' && !(await context.tables.resolve(context.stage.layers, directory)).isDirectory)
        yield { entry: tarEntry({ name: directory, type: 'directory', mtime: placing.mtime }) };
    }
  }
}

function operandsOf(instruction: Instruction, { stage, escape }: CopyContext): string[] {
  const text = expand(instruction.rest, lookupOf(stage), escape);
  const operands = instruction.list ? (JSON.parse(text) as string[]) : words(text, escape);
  if (operands.length < 2)
    throw new DockerfileError(instruction.line, `${instruction.name} needs a source and a destination`);
  const remote = operands.slice(0, -1).find((each) => /^(https?|git|ssh):\/\/|^git@/.test(each));
  if (remote)
    throw new DockerfileError(
      instruction.line,
      `${instruction.name} ${remote} is not supported: fetch it into the context, and COPY it`,
    );
  return operands;
}

async function placingOf(
  instruction: Instruction,
  { stage, tables, escape, mtime }: CopyContext,
): Promise<Omit<Placing, 'to'>> {
  const flag = (name: string) => {
    const text = instruction.flags.get(name);
    return text === undefined ? undefined : expand(text, lookupOf(stage), escape);
  };
  const chown = flag('chown');
  const chmod = flag('chmod');
  if (chmod !== undefined && !/^[0-7]{3,4}$/.test(chmod))
    throw new DockerfileError(instruction.line, `--chmod=${chmod} is not an octal mode such as 755`);
  const owner = chown === undefined ? { uid: 0, gid: 0 } : await tables.owner(stage.layers, chown);
  return { ...owner, mtime, ...(chmod !== undefined && { mode: Number.parseInt(chmod, 8) }) };
}

async function choose(wanted: string, { from }: CopySource, instruction: Instruction): Promise<Chosen[]> {
  const heredoc = instruction.heredocs.find((each) => wanted === `<<${each.name}` || wanted === `<<-${each.name}`);
  if (heredoc) return [{ to: heredoc.name, file: madeUp(heredoc.name, heredoc.content) }];
  const clean = path.posix.join('/', wanted).slice(1).replace(/\/$/, '');
  if ('files' in from)
    return from.files.filter((file) => clean === '' || file.path === clean).map((file) => ({ to: file.path, file }));
  const found: Chosen[] = [];
  for (const match of isPattern(clean) ? await matches(from, clean) : [clean]) {
    const real = await realInside(from.root, match);
    const files = await listBelow(from.root, real, from.ignore).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
      throw error;
    });
    const isDirectory = files[0]?.type === 'directory' && files[0].path === real;
    for (const file of files)
      found.push({ to: isDirectory ? path.posix.relative(real, file.path) : path.posix.basename(match), file });
  }
  if (found.length === 0)
    throw new DockerfileError(
      instruction.line,
      `${instruction.name}: there is no ${JSON.stringify(wanted)} to copy, or .dockerignore leaves it out`,
    );
  return found;
}

/** Paths that fit a pattern, and nothing below them. */
async function matches(from: { root: string; ignore: Ignore }, pattern: string): Promise<string[]> {
  const form = patternOf(pattern, false);
  return (await listBelow(from.root, '', from.ignore)).map((file) => file.path).filter((each) => form.test(each));
}

async function archiveIn(file: SourceFile, instruction: Instruction): Promise<string | undefined> {
  if (typeof file.from !== 'string') return undefined;
  const handle = await open(file.from, 'r');
  const start = Buffer.alloc(512);
  await handle.read(start, 0, 512, 0);
  await handle.close();
  const isUnknown = start.toString('latin1', 0, 3) === 'BZh' || start.toString('latin1', 1, 5) === '7zXZ';
  if (isUnknown)
    throw new DockerfileError(
      instruction.line,
      `ADD cannot unpack ${file.path}: it is packed with bzip2 or xz; use gzip or zstd, or COPY it`,
    );
  if (compressionOf(start) === 'none' && start.toString('latin1', 257, 262) !== 'ustar') return undefined;
  try {
    for await (const _ of readTar(decompressed(fileBody(file.from)))) return file.from;
  } catch {
    // packed, and no archive: it is copied as it is
  }
  return undefined;
}

async function* extracted(archive: string, to: string, placing: Omit<Placing, 'to'>): AsyncGenerator<TarPart> {
  for await (const { body, ...entry } of readTar(decompressed(fileBody(archive)))) {
    const name = path.posix.join(to, ...components(entry.name));
    const linkname = entry.type === 'link' ? path.posix.join(to, ...components(entry.linkname)) : entry.linkname;
    if (name !== '.' && name !== '' && !name.startsWith('.wh.') && !name.includes('/.wh.'))
      yield { entry: { ...entry, name, linkname, mtime: placing.mtime }, ...(entry.type === 'file' && { body }) };
  }
}
