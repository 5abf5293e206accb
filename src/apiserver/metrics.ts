/** Counts of what the server does, under upstream's names, in the Prometheus text format. */
interface Counted {
  count: number;
  seconds: number;
}

export class Metrics {
  readonly #requests = new Map<string, Counted>();
  readonly #longRunning = new Map<string, number>();
  readonly #startedAt: number;

  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  request(verb: string, group: string, version: string, resource: string, code: number, seconds: number): void {
    const labels = `code="${code}",group="${group}",resource="${resource}",verb="${verb.toUpperCase()}",version="${version}"`;
    const known = this.#requests.get(labels);
    if (known !== undefined) {
      known.count++;
      known.seconds += seconds;
    } else if (this.#requests.size < 5000) this.#requests.set(labels, { count: 1, seconds });
  }

  longRunning(resource: string, verb: string, by: 1 | -1): void {
    const labels = `resource="${resource}",verb="${verb.toUpperCase()}"`;
    this.#longRunning.set(labels, (this.#longRunning.get(labels) ?? 0) + by);
  }

  text(more: Record<string, number>): string {
    const { rss } = process.memoryUsage();
    const cpu = process.cpuUsage();
    const lines = [
      '# TYPE apiserver_request_total counter',
      ...Array.from(this.#requests, ([labels, { count }]) => `apiserver_request_total{${labels}} ${count}`),
      '# TYPE apiserver_request_duration_seconds summary',
      ...Array.from(
        this.#requests,
        ([labels, { seconds }]) => `apiserver_request_duration_seconds_sum{${labels}} ${seconds.toFixed(6)}`,
      ),
      ...Array.from(
        this.#requests,
        ([labels, { count }]) => `apiserver_request_duration_seconds_count{${labels}} ${count}`,
      ),
      '# TYPE apiserver_longrunning_requests gauge',
      ...Array.from(this.#longRunning, ([labels, count]) => `apiserver_longrunning_requests{${labels}} ${count}`),
      '# TYPE process_resident_memory_bytes gauge',
      `process_resident_memory_bytes ${rss}`,
      '# TYPE process_cpu_seconds_total counter',
      `process_cpu_seconds_total ${(cpu.user + cpu.system) / 1e6}`,
      '# TYPE process_start_time_seconds gauge',
      `process_start_time_seconds ${this.#startedAt / 1000}`,
      ...Object.entries(more).flatMap(([name, value]) => [`# TYPE ${name} gauge`, `${name} ${value}`]),
    ];
    return `${lines.join('\n')}\n`;
  }
}
