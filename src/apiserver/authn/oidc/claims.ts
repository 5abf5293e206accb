/** From what a token claims to a user, as an AuthenticationConfiguration maps it. */
import {
  boolType,
  compile,
  dynType,
  kubernetesEnvironment,
  listType,
  mapType,
  type Program,
  stringType,
  structType,
  toJson,
} from '../../../machinery/cel/index.ts';
import type { User } from '../../request.ts';

export type Claims = Readonly<Record<string, unknown>>;

export interface PrefixedClaim {
  claim?: string;
  prefix?: string;
  expression?: string;
}

export interface ClaimMappings {
  username: PrefixedClaim;
  groups?: PrefixedClaim;
  uid?: { claim?: string; expression?: string };
  extra?: { key: string; valueExpression: string }[];
}

export interface ClaimRule {
  claim?: string;
  requiredValue?: string;
  expression?: string;
  message?: string;
}

export interface UserRule {
  expression: string;
  message?: string;
}

const userFields: Record<string, ReturnType<typeof listType>> = {
  __proto__: null as never,
  username: stringType,
  uid: stringType,
  groups: listType(stringType),
  extra: mapType(stringType, listType(stringType)),
};
const userInfo = structType('kubernetes.UserInfo', {
  get: (field) => userFields[field] && { type: userFields[field], key: field },
  plain: true,
});
const overClaims = kubernetesEnvironment.extend({ variables: { claims: mapType(stringType, dynType) } });
const overUser = kubernetesEnvironment.extend({ types: [userInfo], variables: { user: userInfo } });

/** Why a token makes no user. Never holds the token. */
export class ClaimError extends Error {
  override readonly name = 'ClaimError';
}

export interface Mapping {
  /** @throws ClaimError */
  userOf(claims: Claims): User;
}

/** Compiles it. Throws a `TypeError` that names the field when an expression cannot be. */
export function mappingOf(
  mappings: ClaimMappings,
  rules: readonly ClaimRule[],
  userRules: readonly UserRule[],
): Mapping {
  const username = textOf('claimMappings.username', mappings.username);
  const groups = mappings.groups && listOf('claimMappings.groups', mappings.groups);
  const uid = mappings.uid && textOf('claimMappings.uid', mappings.uid);
  const extra = (mappings.extra ?? []).map(({ key, valueExpression }, at) => ({
    key,
    value: evaluated(`claimMappings.extra[${at}].valueExpression`, valueExpression),
  }));
  const checks = rules.map((rule, at) => checkOf(`claimValidationRules[${at}]`, rule));
  const userChecks = userRules.map(({ expression, message }, at) => {
    const field = `userValidationRules[${at}].expression`;
    const program = programOf(field, expression, overUser);
    return { program, field, message: message || `validation expression '${expression}' failed` };
  });
  return {
    userOf: (claims) => {
      for (const check of checks) check(claims);
      const credential = typeof claims.jti === 'string' && claims.jti !== '' ? [`JTI=${claims.jti}`] : undefined;
      const user: Required<User> = {
        name: username(claims),
        uid: uid?.(claims) ?? '',
        groups: groups?.(claims) ?? [],
        extra: {
          ...(credential && { 'authentication.kubernetes.io/credential-id': credential }),
          ...Object.fromEntries(extra.flatMap(({ key, value }) => entriesOf(key, value(claims)))),
        },
      };
      if (user.name === '') throw new ClaimError('the username is empty');
      const seen = { username: user.name, uid: user.uid, groups: user.groups, extra: user.extra };
      for (const { program, field, message } of userChecks)
        if (valueOf(field, program, { user: seen }) !== true) throw new ClaimError(message);
      const { uid: id, ...rest } = user;
      return id === '' ? rest : user;
    },
  };
}

function entriesOf(key: string, value: unknown): [string, string[]][] {
  const values = stringsOf(`extra ${key}`, value);
  return values.length === 0 ? [] : [[key, values]];
}

function textOf(field: string, { claim, prefix = '', expression }: PrefixedClaim): (claims: Claims) => string {
  if (expression) {
    const value = evaluated(`${field}.expression`, expression);
    return (claims) => requireText(field, value(claims));
  }
  return (claims) => {
    const value = requireText(`claim ${claim}`, claims[claim!]);
    // an address counts only once its provider has seen it to be the user's
    if (claim === 'email' && claims.email_verified !== undefined && claims.email_verified !== true)
      throw new ClaimError('email not verified');
    return prefix + value;
  };
}

function listOf(field: string, { claim, prefix = '', expression }: PrefixedClaim): (claims: Claims) => string[] {
  if (expression) {
    const value = evaluated(`${field}.expression`, expression);
    return (claims) => stringsOf(field, value(claims)).filter((group) => group !== '');
  }
  return (claims) => stringsOf(`claim ${claim}`, claims[claim!]).map((group) => prefix + group);
}

function requireText(what: string, value: unknown): string {
  if (typeof value !== 'string') throw new ClaimError(`${what} is ${value === undefined ? 'missing' : 'no string'}`);
  return value;
}

function stringsOf(what: string, value: unknown): string[] {
  if (value === undefined || value === null || value === '') return [];
  const values = Array.isArray(value) ? value : [value];
  if (values.some((one) => typeof one !== 'string'))
    throw new ClaimError(`${what} is no string and no list of strings`);
  return values as string[];
}

function checkOf(
  field: string,
  { claim, requiredValue = '', expression, message }: ClaimRule,
): (claims: Claims) => void {
  if (expression) {
    const program = programOf(`${field}.expression`, expression, overClaims);
    return (claims) => {
      if (valueOf(field, program, { claims }) !== true)
        throw new ClaimError(message || `validation expression '${expression}' failed`);
    };
  }
  return (claims) => {
    if (claims[claim!] === undefined) throw new ClaimError(`required claim ${claim} not present`);
    if (claims[claim!] !== requiredValue) throw new ClaimError(`required claim ${claim} has another value`);
  };
}

function evaluated(field: string, expression: string): (claims: Claims) => unknown {
  const program = programOf(field, expression, overClaims);
  return (claims) => {
    const made = toJson(valueOf(field, program, { claims }));
    if (made.error !== undefined) throw new ClaimError(`${field}: ${made.error}`);
    return made.json;
  };
}

function programOf(field: string, expression: string, environment: typeof overClaims): Program {
  const { program, ...refusal } = compile(expression, environment);
  if (program === undefined) throw new TypeError(`${field}: ${(refusal as { message: string }).message}`);
  if (field.includes('ValidationRules') && program.type.kind !== boolType.kind && program.type.kind !== dynType.kind)
    throw new TypeError(`${field}: must evaluate to bool, not ${program.type}`);
  return program;
}

function valueOf(field: string, program: Program, bindings: Record<string, unknown>): unknown {
  const { value, error } = program.evaluate(bindings);
  if (error !== undefined) throw new ClaimError(`${field}: ${error}`);
  return value;
}
