/** What the kinds that keep Pods running have in common. */
import { cause, type StatusCause } from '../../../machinery/index.ts';
import { validateTemplate } from '../../core/v1/podvalidation.ts';
import type { LabelSelector, PodTemplateSpec } from '../../gen/types.ts';
import { isEmptySelector, selects, validateSelector } from '../../rules.ts';

/** A selector that is there, says something, and selects the template's own Pods. */
export function validateOwnSelector(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec,
  kind: string,
): StatusCause[] {
  if (!selector) return [cause.required('spec.selector')];
  const causes = validateSelector(selector, 'spec.selector');
  if (isEmptySelector(selector))
    causes.push(cause.invalid('spec.selector', selector, `empty selector is invalid for ${kind}`));
  const labels = template?.metadata?.labels ?? {};
  if (!isEmptySelector(selector) && !selects(selector, labels))
    causes.push(cause.invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  return causes;
}

/** A template whose Pods run for ever. `kind` names who does not support an end. */
export function validateLastingTemplate(template: PodTemplateSpec, kind: string): StatusCause[] {
  const causes = validateTemplate(template, 'spec.template');
  const { restartPolicy, activeDeadlineSeconds } = template?.spec ?? {};
  if (restartPolicy && restartPolicy !== 'Always')
    causes.push(cause.notSupported('spec.template.spec.restartPolicy', restartPolicy, ['Always']));
  if (activeDeadlineSeconds !== undefined)
    causes.push(
      cause.forbidden('spec.template.spec.activeDeadlineSeconds', `activeDeadlineSeconds in ${kind} is not Supported`),
    );
  return causes;
}

/** The number in a count or a percentage. */
export function amountOf(value: number | string | undefined): number {
  return typeof value === 'string' ? Number.parseInt(value, 10) || 0 : (value ?? 0);
}
