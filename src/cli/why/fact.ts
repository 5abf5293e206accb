/** Something that happened, in a few words. */
export interface Fact {
  readonly what: string;
  /** Something that a person should see to. */
  readonly bad?: boolean;
  /** Who did it, when the object's managed fields do not say. */
  readonly by?: string;
}
