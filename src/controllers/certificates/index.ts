/**
 * Certificate signing requests: node agents' own are approved if roles let them ask, approved ones for the built-in signers are signed, and all
 * are forgotten after a while. Other signers' requests are left to those.
 */
import {
  type CertificateSigningRequest,
  certificateSigningRequests,
  type ParsedCertificateRequest,
  parseCertificateRequest,
  type SubjectAccessReview,
  subjectAccessReviews,
} from '../../api/index.ts';
import type { Client, Controller } from '../../client/index.ts';
import { formatTime, isStatusError } from '../../machinery/index.ts';
import { kubeletClient, kubeletClientSigner, signers } from './rules.ts';

const account = 'certificate-controller';
const hour = 3600_000;
const longest = 365 * 24 * hour;
const shortest = 10 * 60_000;
/** So that clocks that are a little behind accept it at once. */
const backdate = 5 * 60_000;

/** Makes the certificate (PEM); throws an Error that says what is wrong with the request. Times in milliseconds since the epoch. */
export type Sign = (
  request: ParsedCertificateRequest,
  terms: { usages: readonly string[]; notBefore: number; notAfter: number },
) => string;

type Request = CertificateSigningRequest;
type Condition = NonNullable<NonNullable<Request['status']>['conditions']>[number];

function has({ status }: Request, type: string): boolean {
  return status?.conditions?.some((one) => one.type === type && one.status !== 'False') ?? false;
}

function withCondition(request: Request, condition: Omit<Condition, 'status'>, now: number): Request {
  const time = formatTime(now);
  const full = { ...condition, status: 'True', lastUpdateTime: time, lastTransitionTime: time } as Condition;
  return { ...request, status: { ...request.status, conditions: [...(request.status?.conditions ?? []), full] } };
}

export const certificateApproving: Controller<Request> = {
  name: 'certificatesigningrequest-approving-controller',
  account,
  for: certificateSigningRequests,
  async reconcile(key, { client, clock, lister }) {
    const request = lister<Request>(certificateSigningRequests).get(key);
    if (request === undefined || request.status?.certificate || has(request, 'Approved') || has(request, 'Denied'))
      return;
    const { signerName, usages = [], username } = request.spec;
    const parsed = parseCertificateRequest(request.spec.request);
    if (signerName !== kubeletClientSigner || parsed === undefined || kubeletClient(parsed, usages) !== '') return;
    const own = username === parsed.commonName && (await may(client, request, 'selfnodeclient'));
    if (!own && !(await may(client, request, 'nodeclient'))) return;
    const message = `Auto approving ${own ? 'self ' : ''}kubelet client certificate after SubjectAccessReview.`;
    const approved = withCondition(request, { type: 'Approved', reason: 'AutoApproved', message }, clock.now());
    await client.update(certificateSigningRequests, approved, { subresource: 'approval' });
  },
};

async function may(client: Client, { spec }: Request, subresource: string): Promise<boolean> {
  const { username: user, uid, groups, extra } = spec;
  const resourceAttributes = {
    group: 'certificates.k8s.io',
    resource: 'certificatesigningrequests',
    verb: 'create',
    version: '*',
    subresource,
  };
  const review = await client.create<SubjectAccessReview>(subjectAccessReviews, {
    metadata: {},
    spec: { user, uid, groups, extra, resourceAttributes },
  });
  return review.status?.allowed === true;
}

export function certificateSigning(sign: Sign): Controller<Request> {
  return {
    name: 'certificatesigningrequest-signing-controller',
    account,
    for: certificateSigningRequests,
    async reconcile(key, { client, clock, lister }) {
      const request = lister<Request>(certificateSigningRequests).get(key);
      if (request === undefined || request.status?.certificate) return;
      if (!has(request, 'Approved') || has(request, 'Denied') || has(request, 'Failed')) return;
      const { signerName = '', usages = [], expirationSeconds } = request.spec;
      const rule = Object.hasOwn(signers, signerName) ? signers[signerName] : undefined;
      if (rule === undefined) return;
      const parsed = parseCertificateRequest(request.spec.request);
      const wrong = parsed === undefined ? 'the request is not a PKCS #10 request in PEM' : rule(parsed, usages);
      const now = clock.now();
      const asked = expirationSeconds === undefined ? longest : expirationSeconds * 1000;
      const notAfter = now + Math.min(longest, Math.max(shortest, asked)) - (asked > 8 * hour ? backdate : 0);
      const next =
        wrong === ''
          ? signed(request, now, () => sign(parsed!, { usages, notBefore: now - backdate, notAfter }))
          : failed(request, wrong, now);
      await client.update(certificateSigningRequests, next, { subresource: 'status' });
    },
  };
}

function failed(request: Request, message: string, now: number): Request {
  return withCondition(request, { type: 'Failed', reason: 'SignerValidationFailure', message }, now);
}

function signed(request: Request, now: number, sign: () => string): Request {
  try {
    const certificate = Buffer.from(sign()).toString('base64');
    return { ...request, status: { ...request.status, certificate } };
  } catch (error) {
    return failed(request, (error as Error).message, now);
  }
}

export const certificateCleaner: Controller<Request> = {
  name: 'certificatesigningrequest-cleaner-controller',
  account,
  for: certificateSigningRequests,
  async reconcile(key, { client, clock, lister }) {
    const request = lister<Request>(certificateSigningRequests).get(key);
    if (request === undefined || request.metadata.deletionTimestamp !== undefined) return;
    const left = keptFor(request) + sinceOf(request) - clock.now();
    if (left > 0) return { requeueAfter: left + 1 };
    await client.delete(certificateSigningRequests, { name: request.metadata.name! }).catch((error: unknown) => {
      if (!isStatusError(error, 'NotFound')) throw error;
    });
  },
};

/** What has been decided is of little use after an hour, what nobody decides on after a day. */
function keptFor(request: Request): number {
  return has(request, 'Denied') || has(request, 'Failed') || request.status?.certificate ? hour : 24 * hour;
}

function sinceOf({ metadata, status }: Request): number {
  const times = (status?.conditions ?? []).map(({ lastUpdateTime }) => Date.parse(lastUpdateTime ?? ''));
  return Math.max(Date.parse(String(metadata.creationTimestamp)), ...times.filter((time) => !Number.isNaN(time)));
}
