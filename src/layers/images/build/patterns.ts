/** Path patterns of COPY and of .dockerignore: `*`, `?`, `[a-z]`, and `**` for any number of directories. */

/** Matches a path without leading slash; `deep` says whether `**` is known (it is in .dockerignore). */
export function patternOf(pattern: string, deep: boolean): RegExp {
  const clean = pattern
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
  let out = '';
  for (let at = 0; at < clean.length; at += 1) {
    const here = clean[at] ?? '';
    if (deep && clean.startsWith('**', at)) {
      const slash = clean[at + 2] === '/';
      out += slash ? '(?:.*/)?' : '.*';
      at += slash ? 2 : 1;
    } else if (here === '*') out += '[^/]*';
    else if (here === '?') out += '[^/]';
    else if (here === '[' && clean.indexOf(']', at + 2) > 0) {
      const end = clean.indexOf(']', at + 2);
      out += `[${clean
        .slice(at + 1, end)
        .replaceAll('\\', '\\\\')
        .replace(/^!/, '^')}]`;
      at = end;
    } else if (here === '\\' && at + 1 < clean.length) out += quoted(clean[++at] ?? '');
    else out += quoted(here);
  }
  return new RegExp(`^${out}$`, 's');
}

function quoted(character: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character;
}

export function isPattern(text: string): boolean {
  return /[*?[]/.test(text);
}

/** Whether a path of the context is left out: the last line that matches it, or a directory above it, decides. */
export type Ignore = (path: string) => boolean;

export function parseIgnore(text: string): Ignore {
  const rules = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ keep: line.startsWith('!'), form: patternOf(line.replace(/^!\s*/, ''), true) }));
  return (path) => {
    const above = path.split('/').map((_, at, parts) => parts.slice(0, at + 1).join('/'));
    let ignored = false;
    for (const { keep, form } of rules) if (above.some((each) => form.test(each))) ignored = !keep;
    return ignored;
  };
}
