/** Where this part tells what it did: pino's shape. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };
