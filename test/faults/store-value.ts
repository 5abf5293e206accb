/** Values that tell by themselves whether they are whole, and which write they come from. */

export function valueOf(key: string, number: number, size: number): Uint8Array {
  const head = Buffer.from(`${JSON.stringify({ key, number, size })}\n`);
  const value = Buffer.alloc(head.length + size);
  head.copy(value);
  for (let i = 0; i < size; i++) value[head.length + i] = (number + i * 7) & 0xff;
  return value;
}

/** The number of the write; throws when the value is not exactly what that write wrote. */
export function numberOf(key: string, value: Uint8Array): number {
  const bytes = Buffer.from(value);
  const { number, size } = JSON.parse(bytes.toString('latin1', 0, bytes.indexOf(10)));
  if (!bytes.equals(valueOf(key, number, size))) throw new Error(`the value of ${key} is torn (write ${number})`);
  return number;
}
