/** A data plane: what makes Services answer on this node. */
export interface DataPlane {
  /** Resolves once all Services that the server knew are in place. */
  ready(): Promise<void>;
  /** Stops following; what is in place stays (`kernel`) or ends with its sockets (`userspace`). */
  stop(): Promise<void>;
  /** Removes all that it made, and nothing else. */
  teardown(): Promise<void>;
}
