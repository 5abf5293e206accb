/** What an image's files are, read from its layers' archives without unpacking them: enough to place a copy, and to name an owner. */
import { decompressed } from '../compression.ts';
import type { ContentStore } from '../store.ts';
import type { EntryType } from '../tar/header.ts';
import { readTar } from '../tar/read.ts';
import { components } from '../unpack/tree.ts';
import type { BuiltLayer } from './layer.ts';

interface Entry {
  type: EntryType;
  linkname: string;
}

interface LayerTable {
  entries: Map<string, Entry>;
  accounts: Map<string, string>;
}

const accountFiles = ['etc/passwd', 'etc/group'];

export class FileTables {
  readonly #store: ContentStore;
  readonly #tables = new Map<string, Promise<LayerTable>>();

  constructor(store: ContentStore) {
    this.#store = store;
  }

  #table(layer: BuiltLayer): Promise<LayerTable> {
    let table = this.#tables.get(layer.diffId);
    if (!table) {
      table = this.#read(layer);
      this.#tables.set(layer.diffId, table);
    }
    return table;
  }

  async #read(layer: BuiltLayer): Promise<LayerTable> {
    const table: LayerTable = { entries: new Map(), accounts: new Map() };
    for await (const member of readTar(decompressed(this.#store.stream(layer.descriptor.digest)))) {
      const name = components(member.name).join('/');
      table.entries.set(name, { type: member.type, linkname: member.linkname });
      if (!accountFiles.includes(name) || member.type !== 'file' || member.size > 1 << 20) continue;
      const chunks: Buffer[] = [];
      for await (const chunk of member.body) chunks.push(Buffer.from(chunk));
      table.accounts.set(name, Buffer.concat(chunks).toString('utf8'));
    }
    return table;
  }

  /** The entry that the topmost layer has for a path; undefined when there is none, or a whiteout. */
  async #find(layers: readonly BuiltLayer[], parts: readonly string[]): Promise<Entry | undefined> {
    const name = parts.join('/');
    for (const layer of layers.toReversed()) {
      const { entries } = await this.#table(layer);
      const entry = entries.get(name);
      if (entry) return entry;
      for (let depth = parts.length; depth > 0; depth -= 1) {
        const above = parts.slice(0, depth - 1);
        const hidden = [...above, `.wh.${parts[depth - 1]}`].join('/');
        if (entries.has(hidden) || (above.length > 0 && entries.has([...above, '.wh..wh..opq'].join('/'))))
          return undefined;
      }
    }
    return undefined;
  }

  /** Where a path really lies, links of the image followed, and whether a directory is there. */
  async resolve(layers: readonly BuiltLayer[], wanted: string): Promise<{ path: string; isDirectory: boolean }> {
    const todo = wanted.split('/').filter((part) => part !== '' && part !== '.');
    const real: string[] = [];
    let last: Entry | undefined = { type: 'directory', linkname: '' };
    for (let part = todo.shift(), links = 0; part !== undefined; part = todo.shift()) {
      if (part === '..') real.pop();
      else real.push(part);
      last = await this.#find(layers, real);
      if (last?.type !== 'symlink') continue;
      if (++links > 40) throw new Error(`there are too many symbolic links in ${JSON.stringify(wanted)}`);
      if (last.linkname.startsWith('/')) real.length = 0;
      else real.pop();
      todo.unshift(...last.linkname.split('/').filter((each) => each !== '' && each !== '.'));
    }
    return { path: real.join('/'), isDirectory: real.length === 0 || last?.type === 'directory' };
  }

  /** Numbers for `user[:group]`. Names are looked up in the image. */
  async owner(layers: readonly BuiltLayer[], text: string): Promise<{ uid: number; gid: number }> {
    const [user = '', group] = text.split(':');
    const account = /^\d+$/.test(user) ? undefined : await this.#account(layers, 'etc/passwd', user);
    const uid = Number(account?.[2] ?? user);
    if (group === undefined || group === '') return { uid, gid: Number(account?.[3] ?? uid) };
    return {
      uid,
      gid: /^\d+$/.test(group) ? Number(group) : Number((await this.#account(layers, 'etc/group', group))[2]),
    };
  }

  async #account(layers: readonly BuiltLayer[], file: string, name: string): Promise<string[]> {
    for (const layer of layers.toReversed()) {
      const text = (await this.#table(layer)).accounts.get(file);
      const line = text?.split('\n').find((each) => each.startsWith(`${name}:`));
      if (line) return line.split(':');
      if (text !== undefined) break;
    }
    throw new Error(`--chown: the image's /${file} has no ${JSON.stringify(name)}; use a number`);
  }
}
