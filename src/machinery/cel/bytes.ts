/** Text to UTF-8, base64 and back. The text encoders are part of the language's own globals, in browsers too. */

const encoder = new TextEncoder();
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const encodeUtf8 = (text: string): Uint8Array => encoder.encode(text);

/** Undefined when the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

export function encodeBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += 8192) binary += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(binary);
}

/** Standard base64; with `lenient`, missing padding is allowed. Undefined when it is neither. */
export function decodeBase64(text: string, lenient = false): Uint8Array | undefined {
  const plain = text.replace(/[\r\n]/g, '');
  const shape = lenient ? /^[A-Za-z0-9+/]*={0,2}$/ : /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
  if (!shape.test(plain)) return undefined;
  try {
    return Uint8Array.from(atob(plain), (c) => c.charCodeAt(0));
  } catch {
    return undefined;
  }
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference < 0 ? -1 : 1;
  }
  return Math.sign(a.length - b.length);
}
