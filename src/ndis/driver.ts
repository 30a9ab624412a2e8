/**
 * stub
 */
import type { PciFunction, PciIds } from '../platform/index.ts';
import type { Adapter } from './adapter.ts';
import type { AdapterOptions } from './core.ts';
import type { MiniportModule } from './types.ts';

export interface Driver {
  readonly hardwareIds: readonly string[];
  matches(ids: PciIds): boolean;
  createAdapter(pci: PciFunction, options: AdapterOptions): Adapter;
  unload(): Promise<void>;
}
export function hardwareIdMatches(_id: string, _ids: PciIds): boolean {
  throw new Error('not yet');
}
export function loadDriver(_module: MiniportModule, _registryPath?: string): Promise<Driver> {
  throw new Error('not yet');
}
