/** The addresses of simulated pods: each node has 254 of its own, below 10.0.0.0/8. */

export const textOfAddress = (address: number): string =>
  [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');

/** Undefined for what is no IPv4 address. */
export function numberOfAddress(text: string): number | undefined {
  const parts = text.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part < 256))) return undefined;
  return parts.reduce((value, part) => ((value << 8) | part) >>> 0, 0);
}

/** The first of the nth node. */
export const firstAddressOf = (n: number): number => (10 << 24) + n * 256 + 1;

/** The addresses of one node. */
export class Addresses {
  readonly #first: number;
  readonly #taken = new Set<number>();

  constructor(first: number) {
    this.#first = first;
  }

  take(): string {
    let address = this.#first;
    while (this.#taken.has(address)) address++;
    this.#taken.add(address);
    return textOfAddress(address);
  }

  /** One that somebody has already. */
  mark(text: string): void {
    const address = numberOfAddress(text);
    if (address !== undefined) this.#taken.add(address);
  }

  free(text: string): void {
    this.#taken.delete(numberOfAddress(text)!);
  }
}
