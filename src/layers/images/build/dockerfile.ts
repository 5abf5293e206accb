/** Reads a Dockerfile into instructions. Source: the Dockerfile reference; what is not supported is refused by name, never skipped. */

export interface Heredoc {
  name: string;
  content: string;
  /** False when the delimiter was quoted: no variables inside. */
  expand: boolean;
}

export interface Instruction {
  /** Upper case. */
  name: string;
  flags: Map<string, string>;
  /** What follows name and flags, continuation lines joined. */
  rest: string;
  /** The JSON (exec) form, when it is one. */
  list: string[] | undefined;
  heredocs: Heredoc[];
  /** 1-based. */
  line: number;
  /** As written, for the history. */
  text: string;
}

/** A mistake in a Dockerfile; the message begins with the place. */
export class DockerfileError extends Error {
  constructor(line: number, why: string) {
    super(`Dockerfile line ${line}: ${why}`);
    this.name = 'DockerfileError';
  }
}

const known = new Set(
  'FROM ARG ENV COPY ADD WORKDIR USER EXPOSE ENTRYPOINT CMD LABEL VOLUME STOPSIGNAL HEALTHCHECK SHELL ONBUILD RUN MAINTAINER'.split(
    ' ',
  ),
);
const maximumSize = 1 << 20;

export interface Dockerfile {
  instructions: Instruction[];
  escape: string;
}

export function parseDockerfile(text: string): Dockerfile {
  if (text.length > maximumSize) throw new DockerfileError(1, `the file is larger than ${maximumSize} characters`);
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  const escape = escapeOf(lines);
  const instructions: Instruction[] = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? '';
    if (/^\s*(#|$)/.test(line)) {
      at += 1;
      continue;
    }
    const joined = join(lines, at, escape);
    const read = instruction(joined.text, at + 1);
    at = takeHeredocs(read, lines, joined.next);
    instructions.push(read);
  }
  return { instructions, escape };
}

/** Directives are comments of a certain form before everything else. */
function escapeOf(lines: readonly string[]): string {
  for (const line of lines) {
    const directive = /^#\s*([a-z]+)\s*=\s*(\S+)\s*$/i.exec(line);
    if (!directive) break;
    if (directive[1]?.toLowerCase() === 'escape') return directive[2] ?? '\\';
  }
  return '\\';
}

function join(lines: readonly string[], from: number, escape: string): { text: string; next: number } {
  let text = '';
  let at = from;
  for (; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (at > from && /^\s*(#|$)/.test(line)) continue;
    const trimmed = line.trimEnd();
    if (!trimmed.endsWith(escape)) return { text: text + line, next: at + 1 };
    text += trimmed.slice(0, -1);
  }
  return { text, next: at };
}

function instruction(text: string, line: number): Instruction {
  const found = /^\s*([A-Za-z]+)(?:\s+(.*))?$/s.exec(text);
  const name = (found?.[1] ?? '').toUpperCase();
  if (!known.has(name))
    throw new DockerfileError(line, `unknown instruction ${JSON.stringify(text.trim().split(/\s/)[0]?.slice(0, 60))}`);
  let rest = (found?.[2] ?? '').trim();
  const flags = new Map<string, string>();
  for (
    let flag = /^--([a-z-]+)(?:=(\S*))?(?:\s+|$)/.exec(rest);
    flag;
    flag = /^--([a-z-]+)(?:=(\S*))?(?:\s+|$)/.exec(rest)
  ) {
    flags.set(flag[1] ?? '', flag[2] ?? 'true');
    rest = rest.slice(flag[0].length);
  }
  if (rest === '') throw new DockerfileError(line, `${name} needs an argument`);
  return { name, flags, rest, list: jsonList(rest), heredocs: [], line, text: text.trim() };
}

function jsonList(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const list = JSON.parse(text) as unknown;
    return Array.isArray(list) && list.every((each) => typeof each === 'string') ? list : undefined;
  } catch {
    return undefined;
  }
}

function takeHeredocs(read: Instruction, lines: readonly string[], next: number): number {
  if (!['RUN', 'COPY', 'ADD'].includes(read.name) || read.list) return next;
  let at = next;
  for (const [, dash, quote, name = ''] of read.rest.matchAll(/<<(-?)(["']?)([A-Za-z_][A-Za-z0-9_.]*)\2/g)) {
    const content: string[] = [];
    for (; ; at += 1) {
      if (at >= lines.length) throw new DockerfileError(read.line, `the here-document ${name} has no end`);
      const line = dash ? (lines[at] ?? '').replace(/^\t+/, '') : (lines[at] ?? '');
      if (line === name) break;
      content.push(line);
    }
    at += 1;
    read.heredocs.push({ name, content: content.map((line) => `${line}\n`).join(''), expand: quote === '' });
  }
  return at;
}
