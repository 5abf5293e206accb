/**
 * KWOK's Stages (`kwok.x-k8s.io/v1alpha1`): rules that take simulated objects of any built-in kind through their lives. Selectors by labels,
 * annotations, JSON queries and CEL; weights, delays with jitter, both also from the object; events, finalizers, patches, applies and deletion,
 * written by templates. What is not understood is refused with its field, its value and a way out; nobody is impersonated.
 */
export { isStage, StageError } from './kinds.ts';
export { parseGoDuration } from './expression.ts';
export { readStages, type Stage } from './stage.ts';
export { StagePlayer } from './player.ts';
export type { TemplateFunction } from './template/index.ts';
