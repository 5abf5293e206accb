import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { StorageVersion } from '../../gen/types.ts';
import type { Override } from '../../override.ts';

export const storageVersion: Override<StorageVersion> = {
  columns: [
    nameColumn,
    text('CommonEncodingVersion', ({ status }: StorageVersion) => status?.commonEncodingVersion ?? '<unset>'),
    text('StorageVersions', ({ status }: StorageVersion) => {
      const versions = (status?.storageVersions ?? []).map(
        ({ apiServerID, encodingVersion }) => `${apiServerID}=${encodingVersion}`,
      );
      return versions.length === 0
        ? '<unset>'
        : versions.length > 3
          ? `${versions.slice(0, 3).join(',')} + ${versions.length - 3} more...`
          : versions.join(',');
    }),
    ageColumn,
  ],
};
