/** Whom to ask for names that are not the cluster's: what the host's own resolver is set to. Pure. */
import { isIP } from 'node:net';

export interface Upstream {
  address: string;
  port: number;
}

export interface ResolvConf {
  nameservers: string[];
  searches: string[];
  options: string[];
}

/** resolv.conf(5). The last `search` or `domain` line counts. */
export function parseResolvConf(text: string): ResolvConf {
  const conf: ResolvConf = { nameservers: [], searches: [], options: [] };
  for (const line of text.split('\n')) {
    const [word = '', ...rest] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (word === 'nameserver' && rest[0] && isIP(rest[0].split('%')[0] as string)) conf.nameservers.push(rest[0]);
    else if (word === 'search') conf.searches = rest;
    else if (word === 'domain') conf.searches = rest.slice(0, 1);
    else if (word === 'options') conf.options.push(...rest);
  }
  return conf;
}

/** Never ourselves: a server that asks itself asks for ever. */
export function upstreamsOf(conf: ResolvConf, own: readonly Upstream[]): Upstream[] {
  const all = conf.nameservers.map((address) => ({ address, port: 53 }));
  return all.filter((each) => !own.some((self) => self.address === each.address && self.port === each.port));
}
