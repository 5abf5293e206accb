/** What is done for a pod that is to run, in this order, each time something may have changed. */
import type { Step } from '../work.ts';
import { admissionStep } from './admission.ts';
import { claimsStep } from './claims.ts';
import { containersStep } from './containers.ts';
import { deadlineStep } from './deadline.ts';
import { volumesStep } from './volumes.ts';

export const podSteps: readonly Step[] = [admissionStep, deadlineStep, claimsStep, volumesStep, containersStep];
