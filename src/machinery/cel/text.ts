/** Strings as sequences of code points. */

const astral = /[\ud800-\udfff]/;

/** Longer ones are not made: whatever were done with them would cost too much. */
export const maxTextLength = 10_000_000;

/** The number of code points. */
export function textSize(text: string): number {
  const { length } = text;
  let size = length;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0xd800 || code > 0xdbff || i + 1 >= length) continue;
    const low = text.charCodeAt(i + 1);
    if (low >= 0xdc00 && low <= 0xdfff) {
      size--;
      i++;
    }
  }
  return size;
}

/** The code points, each as a string; the string itself where UTF-16 units are the same. */
export function codePoints(text: string): string | string[] {
  return astral.test(text) ? [...text] : text;
}

export function sliceText(text: string, start: number, end?: number): string {
  const points = codePoints(text);
  return typeof points === 'string' ? points.slice(start, end) : points.slice(start, end).join('');
}

/** Where, in code points, `sought` stands first at or after `from`, or -1. */
export function indexOfText(text: string, sought: string, from: number): number {
  const points = codePoints(text);
  if (typeof points === 'string') return points.indexOf(sought, from);
  const offset = points.slice(0, from).join('').length;
  const found = text.indexOf(sought, offset);
  return found < 0 ? -1 : textSize(text.slice(0, found));
}

/** Where, in code points, `sought` stands last at or before `from`, or -1. */
export function lastIndexOfText(text: string, sought: string, from: number): number {
  const points = codePoints(text);
  if (typeof points === 'string') return points.lastIndexOf(sought, from);
  const offset = points.slice(0, from).join('').length;
  const found = text.lastIndexOf(sought, offset);
  return found < 0 ? -1 : textSize(text.slice(0, found));
}
