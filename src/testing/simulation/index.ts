/**
 * Whole clusters in virtual time, from a seed: the real API server, controllers and scheduler with simulated nodes do what a random user asks,
 * while answers are late or lost, watches break and repeat themselves, parts are restarted, nodes crash and are cut off. After every write the
 * rules that must always hold are checked; at the end the faults stop, and everything must come to rest as it was asked for. The same seed gives
 * the same run, event for event.
 */
export { type Outcome, simulate, type SimulationOptions } from './simulate.ts';
export { profiles, type Profile } from './faults.ts';
