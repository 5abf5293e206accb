/**
 * The controllers: each brings the world closer to what one kind of object asks for, speaks only the API, and may be run anywhere, also against
 * another Kubernetes. This list is what runs; what each does is in its file.
 */
import type { Controller } from '../client/index.ts';
import { horizontalPodAutoscaler } from './autoscaling/index.ts';
import { clusterRoleAggregation } from './clusterroleaggregation.ts';
import { cronJobController } from './cronjob/index.ts';
import { daemonSetController } from './daemonset/index.ts';
import { deploymentController } from './deployment/index.ts';
import { deviceTaintEviction } from './devicetainteviction/index.ts';
import { disruptionController } from './disruptionbudget.ts';
import { endpointsController, endpointSliceController, endpointSliceMirroring } from './endpoints/index.ts';
import { garbageCollector } from './garbagecollector.ts';
import { jobController } from './job/index.ts';
import { namespaceController } from './namespace.ts';
import { type NodeCIDRs, nodeIpam } from './nodeipam.ts';
import { nodeLifecycle, taintEviction } from './nodelifecycle/index.ts';
import { podGarbageCollector } from './podgc.ts';
import { replicaSetController, replicationController } from './replicaset.ts';
import { bootstrapSigner, tokenCleaner } from './bootstraptokens/index.ts';
import { certificateApproving, certificateCleaner, certificateSigning, type Sign } from './certificates/index.ts';
import { claimProtection, podGroupProtection, volumeProtection } from './protection/index.ts';
import { podResourceClaims, resourceClaimCleaner } from './resourceclaim/index.ts';
import { resourceQuotaController } from './resourcequota.ts';
import { rootCAPublisher } from './rootcapublisher.ts';
import { serviceAccountController } from './serviceaccount.ts';
import { serviceAccountTokens, type SignToken } from './serviceaccounttokens.ts';
import { serviceCIDRController } from './servicecidr.ts';
import { statefulSetController } from './statefulset/index.ts';
import { storageVersionMigrator } from './storageversionmigrator/index.ts';
import { ttlAfterFinished } from './ttlafterfinished.ts';
import { type LocalVolumes, volumeControllers } from './volume/index.ts';

export { type LocalVolumes, localProvisioner } from './volume/index.ts';

export interface ControllerOptions {
  /** PEM: what pods trust the API server by. */
  clusterCA: string;
  /** Signs for the cluster's authority; absent: approved certificate requests stay unsigned. */
  sign?: Sign;
  /** Signs the tokens that Secrets are made for; absent: such Secrets stay empty. */
  signToken?: SignToken;
  /** For claims of the StorageClass whose provisioner is `localProvisioner`; absent: they wait for another provisioner. */
  localVolumes?: LocalVolumes;
  /** Ranges of pod addresses for nodes that join without one; absent: nodes bring their own. */
  nodeCIDRs?: NodeCIDRs;
}

export function controllers({ clusterCA, sign, signToken, localVolumes, nodeCIDRs }: ControllerOptions): Controller[] {
  return [
    namespaceController as Controller,
    serviceAccountController,
    ...(signToken === undefined ? [] : [serviceAccountTokens(signToken, clusterCA)]),
    resourceQuotaController,
    claimProtection,
    volumeProtection,
    podGroupProtection,
    certificateApproving,
    certificateCleaner,
    ...(sign === undefined ? [] : [certificateSigning(sign)]),
    tokenCleaner,
    bootstrapSigner,
    rootCAPublisher(clusterCA),
    deploymentController,
    replicaSetController,
    replicationController,
    statefulSetController,
    daemonSetController(),
    jobController,
    cronJobController,
    ttlAfterFinished,
    horizontalPodAutoscaler(),
    ...volumeControllers(localVolumes),
    podResourceClaims,
    resourceClaimCleaner,
    deviceTaintEviction(),
    disruptionController,
    clusterRoleAggregation,
    endpointSliceController,
    endpointsController,
    endpointSliceMirroring,
    serviceCIDRController,
    storageVersionMigrator,
    garbageCollector(),
    podGarbageCollector(),
    nodeLifecycle(),
    ...(nodeCIDRs === undefined ? [] : [nodeIpam(nodeCIDRs)]),
    taintEviction(),
  ];
}
