/**
 * Waits for every step, also when one fails, and then fails as the first that did. A step that went on by itself would write behind the back of
 * the next try, which would do the same again.
 */
export async function allOf(steps: Iterable<Promise<unknown>>): Promise<void> {
  const failed = (await Promise.allSettled(steps)).find((each) => each.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
