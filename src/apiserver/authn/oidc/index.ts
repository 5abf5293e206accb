/**
 * Tokens of OpenID Connect providers, by an AuthenticationConfiguration (apiserver.config.k8s.io): whom a token is from, whether it is meant
 * for this cluster, and whom its claims make of its bearer. Loaded only where it is configured.
 */
import { decodeJwt, jwtVerify } from 'jose';
import { type Clock, StatusError } from '../../../machinery/index.ts';
import type { TokenAuthenticator } from '../index.ts';
import { ClaimError, type ClaimMappings, type ClaimRule, type Claims, mappingOf, type UserRule } from './claims.ts';
import { ProviderKeys } from './keys.ts';

export interface JwtConfiguration {
  issuer: {
    url: string;
    discoveryURL?: string;
    certificateAuthority?: string;
    audiences: string[];
    audienceMatchPolicy?: string;
  };
  claimValidationRules?: ClaimRule[];
  claimMappings: ClaimMappings;
  userValidationRules?: UserRule[];
}

/** Those with a key that is not shared. */
const algorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'];
const longest = 16_384;

export interface OidcOptions {
  readonly clock: Clock;
  /** Told why a token of the provider was refused. */
  refused?(issuer: string, reason: string): void;
}

/** @throws TypeError that names the field which cannot be */
export function oidcTokens(
  configuration: JwtConfiguration,
  options: OidcOptions,
): TokenAuthenticator & { close(): void } {
  const { issuer, claimMappings, claimValidationRules = [], userValidationRules = [] } = configuration;
  const mapping = mappingOf(claimMappings, claimValidationRules, userValidationRules);
  const provider = { issuer: issuer.url, discoveryURL: issuer.discoveryURL, ca: issuer.certificateAuthority };
  const keys = new ProviderKeys(provider, options.clock);
  return {
    authenticate: async (token) => {
      if (issuerOf(token) !== issuer.url) return undefined;
      try {
        const { payload } = await jwtVerify(token, keys.find, {
          issuer: issuer.url,
          audience: issuer.audiences,
          algorithms,
          currentDate: new Date(options.clock.now()),
          requiredClaims: ['exp'],
        });
        return mapping.userOf(payload as Claims);
      } catch (error) {
        options.refused?.(issuer.url, error instanceof ClaimError ? error.message : (error as Error).message);
        throw StatusError.unauthorized();
      }
    },
    close: () => keys.close(),
  };
}

function issuerOf(token: string): string | undefined {
  if (token.length > longest || token.split('.').length !== 3) return undefined;
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}
