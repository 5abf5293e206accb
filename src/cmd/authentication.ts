/** Providers of tokens, and to whom nobody in particular may speak, as an AuthenticationConfiguration says it. */
import {
  anonymousBy,
  type ApiserverOptions,
  authenticationConfigurationOf,
  providersOf,
  type TokenAuthenticator,
} from '../apiserver/index.ts';
import { equalJson } from '../machinery/index.ts';
import type { Around } from './files.ts';
import { followFile } from './following.ts';

export interface Authentication {
  readonly tokens: TokenAuthenticator;
  readonly anonymous: ApiserverOptions['anonymous'];
  close(): void;
}

/** Providers can come and go while the server runs; the rest stays as it began. */
export async function authenticationOf(file: string, around: Around): Promise<Authentication> {
  const { clock, log } = around;
  const refused = (issuer: string, reason: string) => log.warn({ issuer, reason }, 'a token was refused');
  let providers: (TokenAuthenticator & { close?(): void })[] = [];
  let first: ReturnType<typeof authenticationConfigurationOf> | undefined;
  const end = () => {
    for (const one of providers) one.close?.();
  };
  const stop = await followFile(
    {
      file,
      of: 'authentication',
      async take(content) {
        const configuration = authenticationConfigurationOf(content);
        if (first !== undefined && !equalJson(first.anonymous ?? null, configuration.anonymous ?? null))
          throw new TypeError('anonymous: it stays as the server was started with; start it again');
        const fresh = await providersOf(configuration, { clock, refused });
        end();
        providers = fresh;
        first ??= configuration;
      },
    },
    around,
  );
  return {
    tokens: {
      async authenticate(token, note) {
        for (const one of providers) {
          const user = await one.authenticate(token, note);
          if (user !== undefined) return user;
        }
        return undefined;
      },
    },
    anonymous: anonymousBy(first!),
    close() {
      stop();
      end();
    },
  };
}
