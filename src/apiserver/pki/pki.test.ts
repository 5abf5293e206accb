import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createAuthority, issue } from './index.ts';

const day = 24 * 3600_000;
const request = () => ({
  commonName: 'somebody',
  notBefore: Date.now() - day,
  notAfter: Date.now() + day,
});

test("a certificate is its authority's", () => {
  const authority = createAuthority('here', Date.now());
  const made = new X509Certificate(issue(authority, { ...request(), uses: ['client'] }).certificate);
  assert.ok(made.verify(new X509Certificate(authority.certificate).publicKey));
});

test('an authority with an RSA key, made elsewhere, signs too', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'glass-pki-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const at = (name: string) => join(folder, name);
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=elsewhere', '-days', '1'];
  try {
    execFileSync('openssl', [...args, '-keyout', at('key'), '-out', at('crt')], { stdio: 'ignore' });
  } catch {
    return t.skip('needs openssl');
  }
  const authority = { certificate: readFileSync(at('crt'), 'utf8'), key: readFileSync(at('key'), 'utf8') };
  const made = new X509Certificate(issue(authority, { ...request(), uses: ['client'] }).certificate);
  const issuer = new X509Certificate(authority.certificate);
  assert.ok(made.verify(issuer.publicKey) && made.checkIssued(issuer));
});
