/** What memory the process keeps, and when it gives back what it does not need. */
import { setFlagsFromString } from 'node:v8';

/** Milliseconds between two looks at how busy the process was, and the parts of a core between which it neither works nor rests. */
const look = 2000;
const rests = 0.05;
const works = 0.2;

/**
 * While the process rests V8 gives back what starting or a burst of work left behind, in steps that hold up nobody: half of the resident
 * memory. While it works it has the room that makes it fast: tidy all the time, it would write a third as much.
 *
 * @returns what ends it
 */
export function giveMemoryBackAtRest(): () => void {
  let resting = false;
  let before = process.cpuUsage();
  let at = performance.now();
  const timer = setInterval(() => {
    const { user, system } = process.cpuUsage(before);
    const busy = (user + system) / 1000 / (performance.now() - at);
    before = process.cpuUsage();
    at = performance.now();
    if (resting ? busy < works : busy > rests) return;
    resting = !resting;
    setFlagsFromString(resting ? '--optimize-for-size' : '--no-optimize-for-size');
  }, look);
  timer.unref();
  return () => clearInterval(timer);
}
