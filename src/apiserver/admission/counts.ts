/** What is counted of admission, under upstream's names. */
import { type Counter, type Family, type Histogram, type MetricSet } from '../../machinery/index.ts';
import type { AdmissionRequest } from '../registry/context.ts';

type Operation = AdmissionRequest['operation'];
/** First all that change, then all that only refuse. */
export type Phase = 'admit' | 'validate';

/** Of one step, or of a whole phase, for one operation. */
export interface StepSeries {
  readonly passed: Histogram;
  /** Made when it first happens: most steps never refuse. */
  refused(): Histogram;
}

/** What came of asking a webhook; `code`: 0 where the fault is ours. */
export interface WebhookOutcome {
  readonly name: string;
  readonly mutating: boolean;
  readonly operation: Operation;
  readonly seconds: number;
  readonly code: number;
  /** Absent: it was not refused. */
  readonly rejection?: 'calling_webhook_error' | 'apiserver_internal_error' | 'no_error';
}

/** What one validation of a policy led to, where it did not simply hold. */
export interface PolicyOutcome {
  readonly policy: string;
  readonly binding: string;
  readonly error: 'no_error' | 'compile_error' | 'invalid_error' | 'out_of_budget';
  readonly action: 'allow' | 'deny' | 'audit' | 'warn';
  readonly seconds: number;
}

const policyDurations = [0.000_000_5, 0.001, 0.01, 0.1, 1];
const durations = [0.005, 0.025, 0.1, 0.5, 1, 2.5];
const prefix = 'apiserver_admission_';
const highestCode = 600;

export class AdmissionCounts {
  readonly #phases: Family<Histogram>;
  readonly #controllers: Family<Histogram>;
  readonly #webhooks: Family<Histogram>;
  readonly #requests: Family<Counter>;
  readonly #rejections: Family<Counter>;
  readonly #failedOpen: Family<Counter>;
  readonly #checks: Family<Counter>;
  readonly #checkDurations: Family<Histogram>;

  constructor(metrics: MetricSet) {
    const how = ['type', 'operation'];
    const duration = (of: string, help: string, labels: string[], bounds: number[]) =>
      metrics.histogram(`${prefix}${of}_admission_duration_seconds`, help, [...labels, 'rejected'], bounds);
    this.#phases = duration('step', 'Time of all that change, or of all that only refuse', how, durations);
    this.#controllers = duration('controller', 'Time of one step of admission', ['name', ...how], durations);
    this.#webhooks = duration('webhook', 'Time until a webhook answered', ['name', ...how], [...durations, 10, 25]);
    const counter = (name: string, help: string, labels: string[]) =>
      metrics.counter(`${prefix}webhook_${name}`, help, ['name', 'type', ...labels]);
    this.#requests = counter('request_total', 'Questions to webhooks', ['operation', 'code', 'rejected']);
    this.#rejections = counter('rejection_count', 'Requests refused by webhooks or for want of them', [
      'operation',
      'error_type',
      'rejection_code',
    ]);
    const checked = ['policy', 'policy_binding', 'error_type', 'enforcement_action'];
    const check = 'apiserver_validating_admission_policy_check';
    this.#checks = metrics.counter(`${check}_total`, 'Validations of policies that did not hold', checked);
    this.#checkDurations = metrics.histogram(
      `${check}_duration_seconds`,
      'Time of these validations',
      checked,
      policyDurations,
    );
    this.#failedOpen = counter('fail_open_count', 'Times that a webhook did not answer and was ignored', []);
  }

  phase(phase: Phase, operation: Operation): StepSeries {
    return {
      passed: this.#phases.with(phase, operation, 'false'),
      refused: () => this.#phases.with(phase, operation, 'true'),
    };
  }

  step(name: string, phase: Phase, operation: Operation): StepSeries {
    return {
      passed: this.#controllers.with(name, phase, operation, 'false'),
      refused: () => this.#controllers.with(name, phase, operation, 'true'),
    };
  }

  webhook({ name, mutating, operation, seconds, code, rejection }: WebhookOutcome): void {
    const type = typeOf(mutating);
    const shownCode = String(Math.min(code, highestCode));
    const rejected = String(rejection !== undefined);
    this.#requests.with(name, type, operation, shownCode, rejected).add();
    this.#webhooks.with(name, type, operation, rejected).observe(seconds);
    if (rejection !== undefined) this.#rejections.with(name, type, operation, rejection, shownCode).add();
  }

  policy({ policy, binding, error, action, seconds }: PolicyOutcome): void {
    this.#checks.with(policy, binding, error, action).add();
    this.#checkDurations.with(policy, binding, error, action).observe(seconds);
  }

  failedOpen(name: string, mutating: boolean): void {
    this.#failedOpen.with(name, typeOf(mutating)).add();
  }
}

/** The words are upstream's, unlike each other as they are. */
function typeOf(mutating: boolean): string {
  return mutating ? 'admit' : 'validating';
}
