/** What an authorizer is asked, and what it says. */
import type { User } from '../request.ts';

export interface Attributes {
  readonly user: User;
  readonly verb: string;
  readonly isResource: boolean;
  readonly group: string;
  readonly version?: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** Of requests that are for no resource. */
  readonly path: string;
  /** Of lists, watches and deletions of collections: what they are narrowed to, as written. */
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

export interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
  /** Somebody said no; otherwise nobody said yes. */
  readonly denied?: boolean;
  /** What went wrong in finding out. */
  readonly error?: string;
}

/** At once, unless somebody outside has to be asked. Never rejects. */
export type Deciding = Decision | Promise<Decision>;

/** What one authorizer says: it allows, denies, or leaves it to those after it. */
export interface Opinion {
  readonly verdict: 'allow' | 'deny' | 'none';
  readonly reason: string;
  readonly error?: string;
}
