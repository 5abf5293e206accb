import { ageColumn, nameColumn } from '../../columns.ts';
import type { ServiceAccount } from '../../gen/types.ts';
import type { Override } from '../../override.ts';

export const serviceAccount: Override<ServiceAccount> = { columns: [nameColumn, ageColumn] };
