/** IPv4 addresses as numbers. */

export function parseCIDR(cidr: string): { first: number; size: number } {
  const [address, bits] = cidr.split('/');
  const value = parseAddress(address ?? '');
  const length = Number(bits);
  if (value === undefined || !Number.isInteger(length) || length < 8 || length > 28)
    throw new Error(
      `service range ${JSON.stringify(cidr)}: an IPv4 CIDR between /8 and /28 is expected, such as 10.96.0.0/16`,
    );
  const size = 2 ** (32 - length);
  return { first: value - (value % size), size };
}

export function parseAddress(address: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((value, part) => value * 256 + part, 0);
}

export function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

/** The first address of the range: the `kubernetes` Service. */
export function firstAddress(cidr: string): string {
  return formatAddress(parseCIDR(cidr).first + 1);
}
