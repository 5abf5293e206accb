import type { Plugin, Rejection } from '../framework.ts';

const mismatch: Rejection = { reason: "node(s) didn't match the requested node name", unresolvable: true };

export const nodeName = (): Plugin => ({
  name: 'NodeName',
  local: true,
  preFilter: ({ pod }) => (pod.spec.nodeName ? undefined : 'skip'),
  filter: ({ pod }, node) => (pod.spec.nodeName === node.name ? undefined : mismatch),
  events: ['NodeAdd'],
});
