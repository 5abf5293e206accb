/** What a folder is, when it has no Dockerfile, and how it becomes an image: said as a Dockerfile, so there is one path. */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { interpreterOf } from './hostbase.ts';
import { madeUp, type SourceFile } from './sources.ts';

export interface Plan {
  kind: 'Dockerfile' | 'Node app' | 'static folder' | 'binary';
  dockerfile: string;
  /** Files beside the folder's own: `COPY --from=extras`. */
  extras: SourceFile[];
  /** Left out besides what .dockerignore says. */
  ignore: string;
  /** Everybody may read what is copied: the image's user is not the one who built it. */
  readable: boolean;
  /** The program whose libraries `FROM host` needs, and where it goes; absent: Node. */
  program?: { from: string; to: string };
}

const leftOut = '.git\n.env\n.env.*\n.DS_Store\nnode_modules/.cache\n';
const common = 'WORKDIR /app\nENV PORT=8080\nEXPOSE 8080\n';
const tail = 'USER 65532:65532\n';

export async function detect(context: string, dockerfile: string | undefined, base: string | undefined): Promise<Plan> {
  const info = await stat(context).catch(() => undefined);
  if (!info) throw new Error(`${context} does not exist`);
  if (info.isFile()) return await binaryPlan(path.dirname(context), path.basename(context), base);
  const names = await readdir(context);
  const chosen = dockerfile ?? (names.includes('Dockerfile') ? 'Dockerfile' : undefined);
  if (chosen !== undefined) {
    const text = await readFile(path.resolve(context, chosen), 'utf8');
    return { kind: 'Dockerfile', dockerfile: text, extras: [], ignore: '', readable: false };
  }
  if (names.includes('package.json')) return await nodePlan(context, names, base);
  if (names.includes('index.html')) return await staticPlan(base);
  const binaries = await executables(context, names);
  if (binaries.length === 1) return await binaryPlan(context, binaries[0] ?? '', base);
  throw new Error(
    `${context} is nothing that can be built: it has no Dockerfile, no package.json, no index.html, and ${binaries.length === 0 ? 'no ELF program' : `more than one program (${binaries.join(', ')})`}`,
  );
}

async function executables(context: string, names: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const name of names) {
    const info = await stat(path.join(context, name)).catch(() => undefined);
    if (info?.isFile() && (info.mode & 0o111) !== 0 && (await interpreterOf(path.join(context, name))) !== undefined)
      found.push(name);
  }
  return found;
}

async function own(name: string): Promise<string> {
  return await readFile(new URL(name, import.meta.url), 'utf8');
}

async function nodePlan(context: string, names: readonly string[], base: string | undefined): Promise<Plan> {
  const file = path.join(context, 'package.json');
  let app: { main?: unknown; scripts?: Record<string, unknown>; dependencies?: Record<string, unknown> };
  try {
    app = JSON.parse(await readFile(file, 'utf8')) as typeof app;
  } catch {
    throw new Error(`${file} is not JSON`);
  }
  const wanted = Object.keys(app.dependencies ?? {});
  const absent = names.includes('node_modules') ? [] : wanted;
  if (absent.length > 0)
    throw new Error(
      `${context} has dependencies (${absent.slice(0, 5).join(', ')}) and no node_modules: run "npm install" there first; installed dependencies are copied as they are`,
    );
  const command = startOf(app, names, file);
  const cmd = ['node', '--require', './.glasshouse/init.cjs', ...command];
  return {
    kind: 'Node app',
    dockerfile: `FROM ${base ?? 'host'}\n${common}ENV NODE_ENV=production\nCOPY --from=extras . .glasshouse/\nCOPY . .\n${tail}CMD ${JSON.stringify(cmd)}\n`,
    extras: [madeUp('init.cjs', await own('init.cjs'))],
    ignore: leftOut,
    readable: true,
  };
}

/** Arguments of `node`. The start script is taken when it is a plain run of node: there is no shell in the host's base. */
function startOf(
  app: { main?: unknown; scripts?: Record<string, unknown> },
  names: readonly string[],
  file: string,
): string[] {
  const script = app.scripts?.['start'];
  if (typeof script === 'string' && script.trim() !== '') {
    const plain = /^node\s+([^|&;<>()$`"'\\*?[\]{}~#=%\n]+)$/.exec(script.trim());
    if (plain) return (plain[1] ?? '').trim().split(/\s+/);
    throw new Error(
      `${file}: the start script ${JSON.stringify(script)} is more than "node FILE ARGUMENTS", so it needs a shell; write it as that, or write a Dockerfile`,
    );
  }
  if (typeof app.main === 'string' && app.main !== '') return [app.main];
  const found = ['server.js', 'server.mjs', 'index.js', 'index.mjs'].find((name) => names.includes(name));
  if (found) return [found];
  throw new Error(`${file} says nothing about how the app starts: add a start script, "main", or a server.js`);
}

async function staticPlan(base: string | undefined): Promise<Plan> {
  return {
    kind: 'static folder',
    dockerfile: `FROM ${base ?? 'host'}\n${common}COPY --from=extras . .glasshouse/\nCOPY . public\n${tail}CMD ["node", ".glasshouse/server.mjs"]\n`,
    extras: [madeUp('server.mjs', await own('server.mjs'))],
    ignore: leftOut,
    readable: true,
  };
}

async function binaryPlan(context: string, name: string, base: string | undefined): Promise<Plan> {
  const from = path.resolve(context, name);
  if ((await interpreterOf(from)) === undefined) throw new Error(`${from} is not a 64-bit ELF program`);
  if (!/^[A-Za-z0-9._+-]+$/.test(name))
    throw new Error(`the program's name ${JSON.stringify(name)} may hold only letters, digits and ". _ + -"`);
  const to = `/app/${name}`;
  const copy = base ? `COPY --chmod=755 ${name} ${to}\n` : '';
  return {
    kind: 'binary',
    dockerfile: `FROM ${base ?? 'host'}\n${common}${copy}${tail}ENTRYPOINT ["${to}"]\n`,
    extras: [],
    ignore: `*\n!${name}\n`,
    readable: true,
    program: { from, to },
  };
}
