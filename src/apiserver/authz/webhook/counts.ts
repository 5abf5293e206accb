/** What is counted of an authorization webhook, under upstream's names. */
import type { Counter, Family, Histogram, MetricSet } from '../../../machinery/index.ts';

const prefix = 'apiserver_authorization_';
const durations = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const conditionDurations = [0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25];

export class WebhookCounts {
  readonly conditions: Histogram;
  readonly conditionErrors: Counter;
  readonly excluded: Counter;
  readonly #name: string;
  readonly #evaluations: Family<Counter>;
  readonly #durations: Family<Histogram>;
  readonly #failedOpen: Family<Counter>;

  constructor(metrics: MetricSet, name: string) {
    this.#name = name;
    const byResult = ['name', 'result'];
    const byType = ['type', 'name'];
    const counter = (of: string, help: string, labels: string[]) =>
      metrics.counter(`${prefix}${of}_total`, help, labels);
    this.#evaluations = counter('webhook_evaluations', 'Questions to authorization webhooks', byResult);
    this.#failedOpen = counter(
      'webhook_evaluations_fail_open',
      'Times that an authorization webhook did not answer and others were asked',
      byResult,
    );
    this.#durations = metrics.histogram(
      `${prefix}webhook_duration_seconds`,
      'Time until an authorization webhook answered',
      byResult,
      durations,
    );
    const condition = 'match_condition';
    this.excluded = counter(`${condition}_exclusions`, 'Questions that match conditions kept back', byType).with(
      'Webhook',
      name,
    );
    this.conditionErrors = counter(`${condition}_evaluation_errors`, 'Match conditions that failed', byType).with(
      'Webhook',
      name,
    );
    this.conditions = metrics
      .histogram(`${prefix}${condition}_evaluation_seconds`, 'Time of match conditions', byType, conditionDurations)
      .with('Webhook', name);
  }

  asked(result: string, seconds: number): void {
    this.#evaluations.with(this.#name, result).add();
    this.#durations.with(this.#name, result).observe(seconds);
  }

  failedOpen(result: string): void {
    this.#failedOpen.with(this.#name, result).add();
  }
}
