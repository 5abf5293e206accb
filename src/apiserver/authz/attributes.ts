/** What an authorizer is asked, and what it says. */
import type { User } from '../request.ts';

export interface Attributes {
  readonly user: User;
  readonly verb: string;
  readonly isResource: boolean;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** Of requests that are for no resource. */
  readonly path: string;
  /** Of lists, watches and deletions of collections: what they are narrowed to, as written. */
  readonly fieldSelector?: string;
}

export interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
}
