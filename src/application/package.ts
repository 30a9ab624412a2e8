/**
 * Facts from package.json. Layer: application. Invariant: found by walking up from this file, so it is the same
 * package.json from sources, from dist/ and from an installed package.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's version, e.g. `0.1.0`. */
export function readPackageVersion(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) {
      const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
      if (name === 'ndis-vfio' && version !== undefined) return version;
    }
    if (folder === dirname(folder)) return 'unknown';
  }
}
