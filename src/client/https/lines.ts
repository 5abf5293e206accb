import { StringDecoder } from 'node:string_decoder';

/** The longest line: more than the largest object there can be. */
const lineLimit = 64 << 20;

/** The lines of a stream, however its chunks are cut. Empty lines are left out; a last line without an end is not one. */
export async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest: string[] = [];
  let length = 0;
  for await (const chunk of stream) {
    const text = decoder.write(chunk);
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      const line = rest.length === 0 ? text.slice(start, end) : rest.join('') + text.slice(start, end);
      rest = [];
      length = 0;
      start = end + 1;
      if (line.trim() !== '') yield line;
    }
    if (start === text.length) continue;
    rest.push(text.slice(start));
    length += text.length - start;
    if (length > lineLimit) throw new RangeError(`a line of the answer is longer than ${lineLimit} characters`);
  }
}
