import type { AdmissionStep } from '../registry/context.ts';
import { forbidden, lookup } from './lookup.ts';

const workloads = { group: 'scheduling.k8s.io', version: 'v1alpha2', resource: 'workloads' };

/** A pod group that names a workload is made from one of its templates. */
export const podGroupWorkloadExists: AdmissionStep = {
  name: 'PodGroupWorkloadExists',
  resources: ['scheduling.k8s.io/podgroups'],
  operations: ['CREATE'],
  async validate(request) {
    const { registry, call, object } = request;
    const named = object!.spec?.podGroupTemplateRef?.workload;
    if (call.subresource !== '' || named === undefined) return;
    const { workloadName, podGroupTemplateName } = named;
    const workload = await lookup(registry, workloads, object!.metadata.namespace!, workloadName);
    if (workload === undefined) throw forbidden(request, `PodGroup rejected: Workload "${workloadName}" not found`);
    if (workload.metadata.deletionTimestamp !== undefined)
      throw forbidden(request, `PodGroup rejected: Workload "${workloadName}" is being deleted`);
    if (workload.spec.podGroupTemplates?.some((one: { name: string }) => one.name === podGroupTemplateName)) return;
    throw forbidden(
      request,
      `PodGroup rejected: PodGroupTemplate "${podGroupTemplateName}" not found in Workload "${workloadName}"`,
    );
  },
};
