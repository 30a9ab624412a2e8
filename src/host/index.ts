/**
 * The machine: implements `platform` over the native addon. Layer: host.
 * Invariant: what leaves this folder is either an object of `platform` or an NdisVfioError.
 */
export { systemClock } from './clock.ts';
export { loadAddon } from './native.ts';
export { type OpenOptions, openPciFunction } from './pci-function.ts';
export { SYSTEM_ROOTS, type SystemRoots } from './roots.ts';
export {
  blockingMembers,
  type GroupMember,
  listEthernetFunctions,
  type PciFunctionInfo,
  parsePciAddress,
  readPciFunction,
} from './sysfs.ts';
export { openTap, type TapOptions } from './tap.ts';
