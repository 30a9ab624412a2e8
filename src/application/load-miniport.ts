/**
 * Finds the miniport for a function: the built-in table, or a module file of the user. Layer: application.
 * Invariants: a file is loaded before any device is touched; every way it can be wrong is E_MINIPORT_FILE with its own
 * cause; the file's `ndis-vfio` imports resolve to this running package.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { register } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { NdisVfioError } from '../base/errors.ts';
import type { MiniportModule } from '../ndis/types.ts';

let hookInstalled = false;

/** Makes `ndis-vfio` importable from any file of this process. Idempotent; once per process by nature of Node's hooks. */
export function installModuleHook(): void {
  if (hookInstalled) return;
  hookInstalled = true;
  // The same file name with the extension this module runs under: .js when built.
  register(new URL('./module-hook.js', import.meta.url));
}

/**
 * Loads a miniport module file. PASSIVE_LEVEL; DriverEntry is not run yet.
 * @throws NdisVfioError E_MINIPORT_FILE when it cannot be read, does not parse, throws, or lacks an export.
 */
export async function loadMiniportFile(file: string): Promise<MiniportModule> {
  const path = resolve(file);
  const action = `Cannot load the miniport ${path}`;
  try {
    if (!statSync(path).isFile()) throw Object.assign(new Error('not a regular file'), { code: 'EISDIR' });
    accessSync(path, constants.R_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const cause =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'EISDIR'
          ? 'it is not a regular file'
          : code === 'EACCES'
            ? 'this process may not read it'
            : String((error as Error).message);
    throw new NdisVfioError(
      'E_MINIPORT_FILE',
      { action, cause, cure: 'Give the path of an ES module that exports DriverEntry and HardwareIds' },
      error,
    );
  }
  installModuleHook();
  let loaded: unknown;
  try {
    loaded = await import(pathToFileURL(path).href);
  } catch (error) {
    throw new NdisVfioError(
      'E_MINIPORT_FILE',
      {
        action,
        cause: `it does not load as an ES module (${firstLine(error)})`,
        cure: `Try: node --check ${path} (name the file .mjs, or set "type": "module" in its package.json)`,
      },
      error,
    );
  }
  return checkMiniportModule(loaded, action);
}

/** Checks the two exports of a miniport module. @throws NdisVfioError E_MINIPORT_FILE naming the one that is wrong. */
export function checkMiniportModule(loaded: unknown, action: string): MiniportModule {
  const exported = loaded as { readonly DriverEntry?: unknown; readonly HardwareIds?: unknown };
  if (typeof exported.DriverEntry !== 'function') {
    throw new NdisVfioError('E_MINIPORT_FILE', {
      action,
      cause: 'it exports no function named DriverEntry',
      cure: 'Add: export function DriverEntry(DriverObject, RegistryPath) { ... return NDIS_STATUS_SUCCESS; }',
    });
  }
  const ids = exported.HardwareIds;
  if (!Array.isArray(ids) || ids.length === 0 || !ids.every((id) => typeof id === 'string')) {
    throw new NdisVfioError('E_MINIPORT_FILE', {
      action,
      cause: 'it exports no list of strings named HardwareIds',
      cure: "Add: export const HardwareIds = ['PCI\\\\VEN_8086&DEV_10C9'];",
    });
  }
  return loaded as MiniportModule;
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.split('\n', 1)[0] ?? '';
}
