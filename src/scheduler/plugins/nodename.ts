import type { Plugin } from '../framework.ts';

export const nodeName: Plugin = {
  name: 'NodeName',
  filter: ({ pod }, node) =>
    pod.spec.nodeName && pod.spec.nodeName !== node.name
      ? { reason: "node(s) didn't match the requested node name", unresolvable: true }
      : undefined,
  events: ['NodeAdd'],
};
