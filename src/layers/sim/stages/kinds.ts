/** The kind Stage of `kwok.x-k8s.io/v1alpha1`, as it is written. */
import type { AnyObject, ObjectMeta } from '../../../machinery/index.ts';

export interface StageObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  spec: StageSpec;
}

export interface StageSpec {
  resourceRef: { apiGroup?: string; kind: string };
  selector?: StageSelector;
  weight?: number;
  weightFrom?: ExpressionFrom;
  delay?: StageDelay;
  next?: StageNext;
  steps?: StageStep[];
  immediateNextStage?: boolean;
}

export interface StageSelector {
  matchLabels?: Record<string, string>;
  matchAnnotations?: Record<string, string>;
  matchExpressions?: MatchExpression[];
}

export interface Requirement {
  key: string;
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  values?: string[];
}

export interface MatchExpression extends Partial<Requirement> {
  jq?: Requirement;
  cel?: { expression: string };
}

export interface ExpressionFrom {
  expressionFrom?: string;
  jq?: { expression: string };
  cel?: { expression: string };
}

export interface StageDelay {
  durationMilliseconds?: number;
  durationFrom?: ExpressionFrom;
  jitterDurationMilliseconds?: number;
  jitterDurationFrom?: ExpressionFrom;
}

export interface StagePatch {
  subresource?: string;
  root?: string;
  template: string;
  type?: 'json' | 'merge' | 'strategic';
  impersonation?: object;
}

export interface StageApply {
  template: string;
  subresource?: string;
  type?: 'apply' | 'merge' | 'strategic';
  impersonation?: object;
}

export interface StageFinalizers {
  add?: { value: string }[];
  remove?: { value: string }[];
  empty?: boolean;
}

export interface StageEvent {
  type?: 'Normal' | 'Warning';
  reason?: string;
  message?: string;
}

export interface StageNext {
  event?: StageEvent;
  finalizers?: StageFinalizers;
  patches?: StagePatch[];
  statusTemplate?: string;
  statusSubresource?: string;
  statusPatchAs?: object;
  delete?: boolean;
}

export interface StageStep {
  event?: StageEvent;
  finalizers?: StageFinalizers;
  patch?: StagePatch;
  apply?: StageApply;
  delete?: boolean;
}

/** What is wrong with a Stage: which one, which field, its value, and what to do. */
export class StageError extends Error {
  constructor(stage: string, field: string, why: string) {
    super(`Stage ${stage}: ${field}: ${why}`);
    this.name = 'StageError';
  }
}

export const isStage = ({ apiVersion, kind }: AnyObject): boolean =>
  kind === 'Stage' && (apiVersion ?? '').startsWith('kwok.x-k8s.io/');
