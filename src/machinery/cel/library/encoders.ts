/** Base64, as cel-go's extension has it; not part of what Kubernetes offers. */
import { decodeBase64, encodeBase64 } from '../bytes.ts';
import type { Library } from '../environment.ts';
import { fail } from '../failure.ts';
import { overload } from '../overload.ts';

const decode = (text: string) => decodeBase64(text, true) ?? fail('illegal base64 data');

export const encodersLibrary: Library = {
  overloads: [
    overload('base64_decode_string', 'base64.decode(string) -> bytes', decode),
    overload('base64_encode_bytes', 'base64.encode(bytes) -> string', encodeBase64),
  ],
};
