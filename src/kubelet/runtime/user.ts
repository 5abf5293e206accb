/** Who a container runs as: the pod's wish, else the image's, with names looked up in the image's own files. */
import { readInRoot } from './rootpath.ts';
import { RuntimeError, type SecurityConfig } from './runtime.ts';

export interface ResolvedUser {
  uid: number;
  gid: number;
  additionalGids: number[];
  home: string;
}

/** `imageUser` is `uid`, `uid:gid`, `name`, `name:group` or ''. Rejects with `CreateContainerError` for an unknown name. */
export async function resolveUser(root: string, security: SecurityConfig, imageUser: string): Promise<ResolvedUser> {
  const accounts = parse(await readInRoot(root, '/etc/passwd'));
  const groups = parse(await readInRoot(root, '/etc/group'));
  const asked =
    security.runAsUser !== undefined ? `${security.runAsUser}` : (security.runAsUserName ?? (imageUser || '0'));
  const [userPart = '0', groupPart] = asked.split(':');
  const account = accounts.find((fields) => fields[0] === userPart || (isNumber(userPart) && fields[2] === userPart));
  if (account === undefined && !isNumber(userPart)) throw unknown('user', userPart, '/etc/passwd');
  const uid = account ? Number(account[2]) : Number(userPart);
  const gid = security.runAsGroup ?? groupOf(groupPart, groups) ?? (account ? Number(account[3]) : 0);
  const memberOf = account ? groups.filter((fields) => (fields[3] ?? '').split(',').includes(account[0] ?? '')) : [];
  const extra = new Set([...(security.supplementalGroups ?? []), ...memberOf.map((fields) => Number(fields[2]))]);
  extra.delete(gid);
  return { uid, gid, additionalGids: [...extra].filter(Number.isInteger), home: account?.[5] || '/' };
}

function groupOf(part: string | undefined, groups: string[][]): number | undefined {
  if (part === undefined || part === '') return undefined;
  if (isNumber(part)) return Number(part);
  const found = groups.find((fields) => fields[0] === part);
  if (found === undefined) throw unknown('group', part, '/etc/group');
  return Number(found[2]);
}

function unknown(what: string, name: string, file: string): RuntimeError {
  return new RuntimeError(
    'CreateContainerError',
    `unable to find ${what} ${name}: the image's ${file} has no such entry; set a numeric id instead`,
  );
}

function parse(text: string): string[][] {
  return text.split('\n').map((line) => line.split(':'));
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}
