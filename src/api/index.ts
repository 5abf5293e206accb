/**
 * Every kind of Kubernetes 1.36: its type, its schema, what it defaults, what it refuses, how `kubectl get` shows it. The
 * facts in `gen/` come from the field's published modules (scripts/generate-api.ts); `overrides.ts` lists what is added by
 * hand, kind by kind. No I/O, no clock. It leaves storing, admission, and everything that needs another object, to the apiserver.
 */
export type * from './gen/types.ts';
export * from './gen/clients.ts';
export type * from './kind.ts';
export { definition, definitionNames, definitionOf, gvkOfDefinition, kubernetesVersion } from './definitions.ts';
export { DecodeError, type Decoder, decoderOf } from './decode.ts';
export { convertKind, storageVersionOf } from './convert.ts';
export { type Validator, validatorOf } from './validate.ts';
export { apiApprovalOf, isProtected } from './apiextensions.k8s.io/v1/approval.ts';
export { schemaOf, schemaOfResource } from './apiextensions.k8s.io/v1/schemaof.ts';
export { kindOfGvk, kindOfResource, kinds } from './kinds.ts';
export { age, humanDuration } from './columns.ts';
export * from './protobuf/index.ts';
export { type ParsedCertificateRequest, parseCertificateRequest } from './certificates.k8s.io/v1/pkcs10.ts';
export * from './quota/index.ts';
export * from './flowcontrol.apiserver.k8s.io/v1/builtin.ts';
