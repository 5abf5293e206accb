/** What went wrong with an image, in the words the kubelet shows as a container's waiting reason. */
export type ImageErrorReason =
  | 'ErrImagePull'
  | 'InvalidImageName'
  | 'ErrImageNeverPull'
  | 'RegistryUnavailable'
  | 'SignatureValidationFailed';

export class ImageError extends Error {
  readonly reason: ImageErrorReason;
  constructor(reason: ImageErrorReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ImageError';
    this.reason = reason;
  }
}

/** The sentence of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a system error (`ENOENT`, `ECONNRESET` …), or ''. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}
