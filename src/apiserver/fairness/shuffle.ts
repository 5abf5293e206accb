/** Shuffle sharding: which few of many queues a flow may use. Two flows seldom share them all, so one that floods its own leaves others theirs. */
import { createHash } from 'node:crypto';

/** Queues, by index, without repetition; always the same for the same flow. The hash has 64 bits, as a hand needs up to 60. */
export function dealHand(schema: string, distinguisher: string, queues: number, handSize: number): number[] {
  const digest = createHash('sha256').update(schema).update('\0').update(distinguisher).digest();
  let hash = digest.readBigUInt64LE(0);
  const hand: number[] = [];
  const remainders: number[] = [];
  for (let i = 0; i < handSize; i++) {
    const left = BigInt(queues - i);
    remainders.push(Number(hash % left));
    hash /= left;
  }
  for (let i = 0; i < handSize; i++) {
    let card = remainders[i]!;
    // the place among the cards that are left becomes the place in the whole deck
    for (let j = i; j > 0; j--) if (card >= remainders[j - 1]!) card++;
    hand.push(card);
  }
  return hand;
}
