/** `malformed`: the bytes or the values cannot be what they say they are. `unknownKind`: the kind has no protobuf form. */
export type ProtobufErrorCode = 'malformed' | 'unknownKind';

export class ProtobufError extends Error {
  readonly code: ProtobufErrorCode;

  constructor(message: string, code: ProtobufErrorCode = 'malformed') {
    super(message);
    this.name = 'ProtobufError';
    this.code = code;
  }
}
