/** `glass image …`: OCI images, no container engine needed. */
import { placesOf } from '../places.ts';
import type { Images, Platform } from '../platform.ts';
import { megabytes, out, say, table } from '../print.ts';

interface Flags {
  dataDir?: string;
}

const open = (platform: Platform, flags: Flags): Promise<Images> => platform.images(placesOf(flags.dataDir));

export async function build(
  platform: Platform,
  directory: string,
  flags: Flags & { tag: string; file?: string; base?: string },
): Promise<void> {
  const images = await open(platform, flags);
  const { name } = await images.build({
    context: directory,
    dockerfile: flags.file,
    name: flags.tag,
    base: flags.base,
    progress: say,
  });
  out(name);
}

export async function pull(platform: Platform, name: string, flags: Flags): Promise<void> {
  const { id } = await (await open(platform, flags)).pull(name, say);
  out(id);
}

export async function push(platform: Platform, name: string, flags: Flags): Promise<void> {
  await (await open(platform, flags)).push(name, say);
}

export async function importFile(platform: Platform, file: string, flags: Flags): Promise<void> {
  for (const { id, names } of await (await open(platform, flags)).import(file)) out(names[0] ?? id);
}

export async function exportFile(platform: Platform, file: string, names: string[], flags: Flags): Promise<void> {
  await (await open(platform, flags)).export(names, file);
}

export async function list(platform: Platform, flags: Flags & { output?: string }): Promise<void> {
  const found = await (await open(platform, flags)).list();
  if (flags.output === 'json') return out(JSON.stringify(found, null, 2));
  const rows = found.flatMap(({ id, names, size }) =>
    (names.length > 0 ? names : ['<none>']).map((name) => [name, id.slice(0, 19), megabytes(size)]),
  );
  if (flags.output === 'name') return rows.forEach(([name]) => out(name!));
  out(table([['NAME', 'ID', 'SIZE'], ...rows]));
}

export async function remove(platform: Platform, names: string[], flags: Flags): Promise<void> {
  const images = await open(platform, flags);
  for (const name of names) await images.remove(name);
}
