/** The list of what the kinds' own files add to the generated facts, by `group/version/Kind`. */
import {
  mutatingAdmissionPolicy,
  mutatingAdmissionPolicyBinding,
  validatingAdmissionPolicy,
  validatingAdmissionPolicyBinding,
} from './admissionregistration.k8s.io/v1/admissionpolicy.ts';
import {
  mutatingWebhookConfiguration,
  validatingWebhookConfiguration,
} from './admissionregistration.k8s.io/v1/webhookconfiguration.ts';
import { customResourceDefinition } from './apiextensions.k8s.io/v1/customresourcedefinition.ts';
import { apiService } from './apiregistration.k8s.io/v1/apiservice.ts';
import { controllerRevision } from './apps/v1/controllerrevision.ts';
import { daemonSet } from './apps/v1/daemonset.ts';
import { deployment } from './apps/v1/deployment.ts';
import { replicaSet } from './apps/v1/replicaset.ts';
import { statefulSet } from './apps/v1/statefulset.ts';
import { horizontalPodAutoscalerV1 } from './autoscaling/v1/horizontalpodautoscaler.ts';
import { horizontalPodAutoscaler } from './autoscaling/v2/horizontalpodautoscaler.ts';
import { cronJob } from './batch/v1/cronjob.ts';
import { job } from './batch/v1/job.ts';
import { certificateSigningRequest } from './certificates.k8s.io/v1/certificatesigningrequest.ts';
import { clusterTrustBundle } from './certificates.k8s.io/v1beta1/clustertrustbundle.ts';
import { podCertificateRequest } from './certificates.k8s.io/v1beta1/podcertificaterequest.ts';
import { lease } from './coordination.k8s.io/v1/lease.ts';
import { leaseCandidate } from './coordination.k8s.io/v1beta1/leasecandidate.ts';
import { componentStatus } from './core/v1/componentstatus.ts';
import { configMap } from './core/v1/configmap.ts';
import { endpoints } from './core/v1/endpoints.ts';
import { event } from './core/v1/event.ts';
import { limitRange } from './core/v1/limitrange.ts';
import { namespace } from './core/v1/namespace.ts';
import { node } from './core/v1/node.ts';
import { persistentVolume } from './core/v1/persistentvolume.ts';
import { persistentVolumeClaim } from './core/v1/persistentvolumeclaim.ts';
import { pod } from './core/v1/pod.ts';
import { podTemplate } from './core/v1/podtemplate.ts';
import { replicationController } from './core/v1/replicationcontroller.ts';
import { resourceQuota } from './core/v1/resourcequota.ts';
import { secret } from './core/v1/secret.ts';
import { service } from './core/v1/service.ts';
import { serviceAccount } from './core/v1/serviceaccount.ts';
import { endpointSlice } from './discovery.k8s.io/v1/endpointslice.ts';
import { eventsEvent } from './events.k8s.io/v1/event.ts';
import { flowSchema } from './flowcontrol.apiserver.k8s.io/v1/flowschema.ts';
import { priorityLevelConfiguration } from './flowcontrol.apiserver.k8s.io/v1/prioritylevelconfiguration.ts';
import { storageVersion } from './internal.apiserver.k8s.io/v1alpha1/storageversion.ts';
import { ingress } from './networking.k8s.io/v1/ingress.ts';
import { ingressClass } from './networking.k8s.io/v1/ingressclass.ts';
import { ipAddress } from './networking.k8s.io/v1/ipaddress.ts';
import { networkPolicy } from './networking.k8s.io/v1/networkpolicy.ts';
import { serviceCIDR } from './networking.k8s.io/v1/servicecidr.ts';
import { runtimeClass } from './node.k8s.io/v1/runtimeclass.ts';
import { podDisruptionBudget } from './policy/v1/poddisruptionbudget.ts';
import { clusterRole, role } from './rbac.authorization.k8s.io/v1/role.ts';
import { clusterRoleBinding, roleBinding } from './rbac.authorization.k8s.io/v1/rolebinding.ts';
import {
  deviceClass,
  resourceClaim,
  resourceClaimTemplate,
  resourceSlice,
} from './resource.k8s.io/v1/resourceclaim.ts';
import { resourcePoolStatusRequest } from './resource.k8s.io/v1alpha3/resourcepoolstatusrequest.ts';
import { deviceTaintRule } from './resource.k8s.io/v1beta2/devicetaintrule.ts';
import { priorityClass } from './scheduling.k8s.io/v1/priorityclass.ts';
import { podGroup } from './scheduling.k8s.io/v1alpha2/podgroup.ts';
import { workload } from './scheduling.k8s.io/v1alpha2/workload.ts';
import { csiDriver } from './storage.k8s.io/v1/csidriver.ts';
import { csiNode } from './storage.k8s.io/v1/csinode.ts';
import { csiStorageCapacity } from './storage.k8s.io/v1/csistoragecapacity.ts';
import { storageClass } from './storage.k8s.io/v1/storageclass.ts';
import { volumeAttachment } from './storage.k8s.io/v1/volumeattachment.ts';
import { volumeAttributesClass } from './storage.k8s.io/v1/volumeattributesclass.ts';
import { storageVersionMigration } from './storagemigration.k8s.io/v1beta1/storageversionmigration.ts';
import type { Override } from './override.ts';

export const overrides: Readonly<Record<string, Override>> = {
  '/v1/ComponentStatus': componentStatus,
  '/v1/ConfigMap': configMap,
  '/v1/Endpoints': endpoints,
  '/v1/Event': event,
  '/v1/LimitRange': limitRange,
  '/v1/Namespace': namespace,
  '/v1/Node': node,
  '/v1/PersistentVolume': persistentVolume,
  '/v1/PersistentVolumeClaim': persistentVolumeClaim,
  '/v1/Pod': pod,
  '/v1/PodTemplate': podTemplate,
  '/v1/ReplicationController': replicationController,
  '/v1/ResourceQuota': resourceQuota,
  '/v1/Secret': secret,
  '/v1/Service': service,
  '/v1/ServiceAccount': serviceAccount,
  'admissionregistration.k8s.io/v1/MutatingAdmissionPolicy': mutatingAdmissionPolicy,
  'admissionregistration.k8s.io/v1/MutatingAdmissionPolicyBinding': mutatingAdmissionPolicyBinding,
  'admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy': validatingAdmissionPolicy,
  'admissionregistration.k8s.io/v1/ValidatingAdmissionPolicyBinding': validatingAdmissionPolicyBinding,
  'admissionregistration.k8s.io/v1/MutatingWebhookConfiguration': mutatingWebhookConfiguration,
  'admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration': validatingWebhookConfiguration,
  'apiextensions.k8s.io/v1/CustomResourceDefinition': customResourceDefinition,
  'apiregistration.k8s.io/v1/APIService': apiService,
  'apps/v1/ControllerRevision': controllerRevision,
  'apps/v1/DaemonSet': daemonSet,
  'apps/v1/Deployment': deployment,
  'apps/v1/ReplicaSet': replicaSet,
  'apps/v1/StatefulSet': statefulSet,
  'autoscaling/v1/HorizontalPodAutoscaler': horizontalPodAutoscalerV1,
  'autoscaling/v2/HorizontalPodAutoscaler': horizontalPodAutoscaler,
  'batch/v1/CronJob': cronJob,
  'batch/v1/Job': job,
  'certificates.k8s.io/v1/CertificateSigningRequest': certificateSigningRequest,
  'certificates.k8s.io/v1beta1/ClusterTrustBundle': clusterTrustBundle,
  'certificates.k8s.io/v1beta1/PodCertificateRequest': podCertificateRequest,
  'coordination.k8s.io/v1/Lease': lease,
  'coordination.k8s.io/v1beta1/LeaseCandidate': leaseCandidate,
  'discovery.k8s.io/v1/EndpointSlice': endpointSlice,
  'events.k8s.io/v1/Event': eventsEvent,
  'flowcontrol.apiserver.k8s.io/v1/FlowSchema': flowSchema,
  'flowcontrol.apiserver.k8s.io/v1/PriorityLevelConfiguration': priorityLevelConfiguration,
  'internal.apiserver.k8s.io/v1alpha1/StorageVersion': storageVersion,
  'networking.k8s.io/v1/Ingress': ingress,
  'networking.k8s.io/v1/IngressClass': ingressClass,
  'networking.k8s.io/v1/IPAddress': ipAddress,
  'networking.k8s.io/v1/NetworkPolicy': networkPolicy,
  'networking.k8s.io/v1/ServiceCIDR': serviceCIDR,
  'node.k8s.io/v1/RuntimeClass': runtimeClass,
  'policy/v1/PodDisruptionBudget': podDisruptionBudget,
  'rbac.authorization.k8s.io/v1/ClusterRole': clusterRole,
  'rbac.authorization.k8s.io/v1/Role': role,
  'rbac.authorization.k8s.io/v1/ClusterRoleBinding': clusterRoleBinding,
  'rbac.authorization.k8s.io/v1/RoleBinding': roleBinding,
  'resource.k8s.io/v1/DeviceClass': deviceClass,
  'resource.k8s.io/v1/ResourceClaim': resourceClaim,
  'resource.k8s.io/v1/ResourceClaimTemplate': resourceClaimTemplate,
  'resource.k8s.io/v1/ResourceSlice': resourceSlice,
  'resource.k8s.io/v1alpha3/ResourcePoolStatusRequest': resourcePoolStatusRequest,
  'resource.k8s.io/v1beta2/DeviceTaintRule': deviceTaintRule,
  'scheduling.k8s.io/v1/PriorityClass': priorityClass,
  'scheduling.k8s.io/v1alpha2/PodGroup': podGroup,
  'scheduling.k8s.io/v1alpha2/Workload': workload,
  'storage.k8s.io/v1/CSIDriver': csiDriver,
  'storage.k8s.io/v1/CSINode': csiNode,
  'storage.k8s.io/v1/CSIStorageCapacity': csiStorageCapacity,
  'storage.k8s.io/v1/StorageClass': storageClass,
  'storage.k8s.io/v1/VolumeAttachment': volumeAttachment,
  'storage.k8s.io/v1/VolumeAttributesClass': volumeAttributesClass,
  'storagemigration.k8s.io/v1beta1/StorageVersionMigration': storageVersionMigration,
};
