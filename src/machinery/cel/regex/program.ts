/** A parsed expression as instructions for an automaton. */
import type { CharSet } from './charset.ts';
import { type Assertion, type Node, RegexError } from './parse.ts';

export type Instruction =
  | { readonly op: 'char'; readonly set: CharSet; next: number }
  /** Tries `next` first. */
  | { readonly op: 'split'; next: number; other: number }
  | { readonly op: 'assert'; readonly assertion: Assertion; next: number }
  | { readonly op: 'jump'; next: number }
  | { readonly op: 'match' };

const maxInstructions = 20_000;

export function programOf(node: Node): Instruction[] {
  const program: Instruction[] = [];
  const add = <T extends Instruction>(instruction: T): T => {
    if (program.length >= maxInstructions) throw new RegexError('expression too large', '');
    program.push(instruction);
    return instruction;
  };
  const emit = (part: Node): void => {
    switch (part.kind) {
      case 'empty':
        return;
      case 'char':
        add({ op: 'char', set: part.set, next: program.length + 1 });
        return;
      case 'assert':
        add({ op: 'assert', assertion: part.assertion, next: program.length + 1 });
        return;
      case 'cat':
        part.nodes.forEach(emit);
        return;
      case 'alt':
        alternatives(part.nodes);
        return;
      case 'repeat':
        for (let i = 0; i < part.min; i++) emit(part.node);
        if (part.max === Infinity) star(part.node, part.greedy);
        else optional(part.node, part.max - part.min, part.greedy);
    }
  };
  const split = (): Extract<Instruction, { op: 'split' }> => add({ op: 'split', next: 0, other: 0 });
  const aim = (at: Extract<Instruction, { op: 'split' }>, into: number, past: number, greedy: boolean): void => {
    at.next = greedy ? into : past;
    at.other = greedy ? past : into;
  };
  const alternatives = (nodes: readonly Node[]): void => {
    const exits: { next: number }[] = [];
    nodes.forEach((alternative, i) => {
      if (i === nodes.length - 1) return emit(alternative);
      const at = split();
      at.next = program.length;
      emit(alternative);
      exits.push(add({ op: 'jump', next: 0 }));
      at.other = program.length;
    });
    for (const exit of exits) exit.next = program.length;
  };
  const star = (inner: Node, greedy: boolean): void => {
    const start = program.length;
    const at = split();
    emit(inner);
    add({ op: 'jump', next: start });
    aim(at, start + 1, program.length, greedy);
  };
  const optional = (inner: Node, times: number, greedy: boolean): void => {
    const splits: [Extract<Instruction, { op: 'split' }>, number][] = [];
    for (let i = 0; i < times; i++) {
      const at = split();
      splits.push([at, program.length]);
      emit(inner);
    }
    for (const [at, into] of splits) aim(at, into, program.length, greedy);
  };
  emit(node);
  add({ op: 'match' });
  return program;
}
