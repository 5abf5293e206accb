/** What `--store` says: where the cluster's state is kept. */
import { UsageError } from './errors.ts';

/** An etcd cluster. Without `tls` what is said to it is not encrypted. */
export interface EtcdPlace {
  /** `host:port`, one or more. */
  endpoints: string[];
  prefix: string;
  /** Files, PEM. */
  tls?: { ca?: string; certificate?: string; key?: string };
}

export type StorePlace = 'embedded' | 'memory' | EtcdPlace;

const help = 'etcd://HOST:PORT[,HOST:PORT…][/PREFIX][?ca=FILE&cert=FILE&key=FILE]';

export function storePlaceOf(flag: string): StorePlace {
  if (flag === 'embedded' || flag === 'memory') return flag;
  const wrong = (why: string) => new UsageError(`--store ${flag}: ${why}`);
  const parts = /^etcd:\/\/([^/?]+)(\/[^?]*)?(?:\?(.*))?$/.exec(flag);
  if (parts === null) throw wrong(`choose embedded, memory or ${help}`);
  const [, hosts = '', path = '', query] = parts;
  const endpoints = hosts.split(',');
  for (const endpoint of endpoints)
    if (!/^(\[[0-9a-fA-F:]+\]|[^:\s@]+):\d{1,5}$/.test(endpoint))
      throw wrong(`"${endpoint}" is not HOST:PORT; the form is ${help}`);
  const prefix = path === '/' ? '' : path;
  if (query === undefined) return { endpoints, prefix };
  const files = new URLSearchParams(query);
  for (const name of files.keys())
    if (!['ca', 'cert', 'key'].includes(name)) throw wrong(`"${name}" is not one of ca, cert and key`);
  const [ca, certificate, key] = ['ca', 'cert', 'key'].map((name) => files.get(name) ?? undefined);
  if ((certificate === undefined) !== (key === undefined))
    throw wrong('cert and key go together: give both, or neither');
  return { endpoints, prefix, tls: { ca, certificate, key } };
}
