/** The rules for keys and values in selectors, and the words in which a broken one is refused. */

const part = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const name = new RegExp(`^${part}$`);
const value = new RegExp(`^(${part})?$`);
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const allowed = "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const nameRule = `must consist of ${allowed} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${part}')`;
const valueRule = `a valid label must be an empty string or consist of ${allowed} (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(${part})?')`;
const subdomainRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/** What is wrong with a label's key; '' when nothing is. */
export function labelKeyProblem(key: string): string {
  const parts = key.split('/');
  if (parts.length > 2)
    return `a valid label key ${nameRule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
  const problems = parts.length === 2 ? prefixProblems(parts[0]!) : [];
  const last = parts[parts.length - 1]!;
  if (last === '') problems.push('name part must be non-empty');
  else if (last.length > 63) problems.push('name part must be no more than 63 bytes');
  if (!name.test(last)) problems.push(`name part ${nameRule}`);
  return problems.join('; ');
}

function prefixProblems(prefix: string): string[] {
  if (prefix === '') return ['prefix part must be non-empty'];
  const problems: string[] = [];
  if (prefix.length > 253) problems.push('prefix part must be no more than 253 bytes');
  if (!subdomain.test(prefix)) problems.push(`prefix part ${subdomainRule}`);
  return problems;
}

/** What is wrong with a label's value; '' when nothing is. */
export function labelValueProblem(text: string): string {
  const problems: string[] = [];
  if (text.length > 63) problems.push('must be no more than 63 bytes');
  if (!value.test(text)) problems.push(valueRule);
  return problems.join('; ');
}

/** A Go `int64` in decimal digits, or undefined. */
export function parseInt64(text: string): bigint | undefined {
  if (!/^[+-]?[0-9]{1,4096}$/.test(text)) return undefined;
  const number = BigInt(text.startsWith('+') ? text.slice(1) : text);
  return BigInt.asIntN(64, number) === number ? number : undefined;
}
