/** Links of a page that is seen through the proxy: those that begin at the root lead through the proxy, too. Pure. */

export interface Through {
  /** Path of the proxy itself, without a slash at its end. */
  prefix: string;
  /** Of the target, with its port. */
  host: string;
}

/** Which attributes of which elements hold an address, as upstream has them. */
const attributes: Record<string, readonly string[]> = {
  a: ['href'],
  applet: ['codebase'],
  area: ['href'],
  audio: ['src'],
  base: ['href'],
  blockquote: ['cite'],
  body: ['background'],
  button: ['formaction'],
  command: ['icon'],
  del: ['cite'],
  embed: ['src'],
  form: ['action'],
  frame: ['longdesc', 'src'],
  head: ['profile'],
  html: ['manifest'],
  iframe: ['longdesc', 'src'],
  img: ['longdesc', 'src', 'usemap'],
  input: ['src', 'usemap', 'formaction'],
  ins: ['cite'],
  link: ['href'],
  object: ['classid', 'codebase', 'data', 'usemap'],
  q: ['cite'],
  script: ['src'],
  source: ['src'],
  video: ['poster', 'src'],
};

const tag = /<([a-z][a-z0-9]*)((?:\s+[^\s=>"'/]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+))?)*)(\s*\/?>)/gi;
const attribute = /([^\s=>"'/]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)/g;

export function rewriteHtml(page: string, through: Through): string {
  return page.replaceAll(tag, (whole, name: string, inner: string, end: string) => {
    const wanted = Object.hasOwn(attributes, name.toLowerCase()) ? attributes[name.toLowerCase()]! : undefined;
    if (wanted === undefined) return whole;
    const rewritten = inner.replaceAll(attribute, (pair, key: string, equals: string, quoted: string) => {
      if (!wanted.includes(key.toLowerCase())) return pair;
      const quote = /^["']/.exec(quoted)?.[0] ?? '';
      const value = quoted.slice(quote.length, quoted.length - quote.length);
      return `${key}${equals}${quote}${rewriteUrl(value, through)}${quote}`;
    });
    return `<${name}${rewritten}${end}`;
  });
}

/** An address on another host stays, and so does one that is relative to the page. */
export function rewriteUrl(url: string, { prefix, host }: Through): string {
  const [, , authority, path] = /^(https?:)?(?:\/\/([^/?#]*))?(.*)$/i.exec(url) ?? [];
  if (authority !== undefined ? authority !== host : !url.startsWith('/')) return url;
  const own = path === '' || path === undefined ? '/' : path;
  return own === prefix || own.startsWith(`${prefix}/`) ? own : `${prefix}${own}`;
}
