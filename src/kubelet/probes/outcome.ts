/** What one try of a probe or hook came to. */
export interface Outcome {
  ok: boolean;
  /** Shown to the user when it is not ok. */
  output: string;
}

export const tooLong = (milliseconds: number): string => `timed out after ${milliseconds / 1000}s`;
