/** For tests: a small kind with every way of merging. */
import type { Schema } from './schema.ts';

const text: Schema = { type: 'string' };
const number: Schema = { type: 'integer' };
const labels: Schema = { type: 'object', additionalProperties: text };

const port: Schema = {
  type: 'object',
  properties: { port: number, protocol: { type: 'string', default: 'TCP' }, name: text },
};

const item: Schema = {
  type: 'object',
  properties: {
    name: text,
    image: text,
    env: {
      type: 'array',
      listType: 'map',
      listMapKeys: ['name'],
      items: { type: 'object', properties: { name: text, value: text } },
    },
    ports: { type: 'array', listType: 'map', listMapKeys: ['port', 'protocol'], items: port },
    args: { type: 'array', listType: 'atomic', items: text },
  },
};

export const widget: Schema = {
  type: 'object',
  properties: {
    apiVersion: text,
    kind: text,
    metadata: {
      type: 'object',
      properties: {
        name: text,
        namespace: text,
        uid: text,
        resourceVersion: text,
        generation: number,
        labels,
        annotations: labels,
        finalizers: { type: 'array', listType: 'set', items: text },
        managedFields: { type: 'array', items: {} },
      },
    },
    spec: {
      type: 'object',
      properties: {
        replicas: number,
        paused: { type: 'boolean' },
        selector: { type: 'object', mapType: 'atomic', additionalProperties: text },
        config: labels,
        tags: { type: 'array', listType: 'set', items: text },
        containers: { type: 'array', listType: 'map', listMapKeys: ['name'], items: item },
        commands: { type: 'array', items: text },
        nested: {
          type: 'object',
          properties: { a: text, b: text, deep: { type: 'object', properties: { c: text, d: text } } },
        },
        free: { type: 'object', preserveUnknownFields: true },
      },
    },
    status: { type: 'object', properties: { ready: number } },
  },
};
