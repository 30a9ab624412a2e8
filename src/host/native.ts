/**
 * Loads the native addon, once per thread. Layer: host; the only place that touches the .node file.
 * Invariant: a missing or unloadable binary is one NdisVfioError E_ADDON that says how to build it.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { NdisVfioError } from '../base/errors.ts';
import type { NativeAddon, NativeError } from './addon.ts';

/** Where the binary lies, seen from `src/host` (run from source) and from `dist/src/host` (compiled). */
const CANDIDATES = ['../../build/Release/ndis_vfio.node', '../../../build/Release/ndis_vfio.node'] as const;

let loaded: NativeAddon | undefined;

/**
 * The addon of this thread.
 * @throws NdisVfioError E_ADDON when it is not built or does not fit this Node.
 */
export function loadAddon(): NativeAddon {
  if (loaded !== undefined) return loaded;
  const paths = CANDIDATES.map((relative) => fileURLToPath(new URL(relative, import.meta.url)));
  loaded = loadAddonFrom(paths);
  return loaded;
}

/** Loads the first of `paths` that exists. @throws NdisVfioError E_ADDON. */
export function loadAddonFrom(paths: readonly string[]): NativeAddon {
  const action = 'Cannot load the native addon';
  const path = paths.find((each) => existsSync(each));
  if (path === undefined) {
    throw new NdisVfioError('E_ADDON', {
      action,
      cause: `${paths.join(' and ')} ${paths.length === 1 ? 'does' : 'do'} not exist`,
      cure: 'Run: npm run build:native',
    });
  }
  try {
    return createRequire(import.meta.url)(path) as NativeAddon;
  } catch (error) {
    throw new NdisVfioError(
      'E_ADDON',
      {
        action,
        cause: `${path} does not load in Node ${process.versions.node} (${error instanceof Error ? error.message : String(error)})`,
        cure: 'Build it again: npm run build:native -- --force',
      },
      error,
    );
  }
}

/** True for an error the addon throws: it carries a code and the step that failed. */
export function isNativeError(error: unknown): error is NativeError {
  return error instanceof Error && typeof (error as Partial<NativeError>).step === 'string' && 'code' in error;
}
