/**
 * Public API of ndis-vfio. Layer: index (imports application, host, ndis, base).
 * Three doors: `openNic` for frames; `loadDriver` and `Adapter` to run a miniport with the NDIS upper edge in hand;
 * `ndis-vfio/ndis` to write a miniport.
 */

export { linuxMachine } from './application/linux-machine.ts';
export { installModuleHook, loadMiniportFile } from './application/load-miniport.ts';
export type { FoundFunction, Machine, TapSettings } from './application/machine.ts';
export {
  type Nic,
  type NicLink,
  type NicOptions,
  type NicStatistics,
  openNic,
  type ReceivedBatch,
} from './application/nic.ts';
export { type AdapterSettings, MTU_DEFAULT, MTU_MAX, MTU_MIN } from './application/open-adapter.ts';
export { deviceGoneError, type EndReason } from './application/watch-end.ts';
export { ERROR_CODES, type ErrorCode, type ErrorText, hasCode, NdisVfioError } from './base/errors.ts';
export type { Iova, PciAddress } from './base/units.ts';
export {
  listEthernetFunctions,
  openPciFunction,
  openTap,
  type PciFunctionInfo,
  parsePciAddress,
  readPciFunction,
  systemClock,
} from './host/index.ts';
export { Adapter, type AdapterOptions, type Driver, hardwareIdMatches, loadDriver } from './ndis/index.ts';
export type {
  Bar,
  BarInfo,
  Clock,
  DmaArena,
  FramePairs,
  InterruptKind,
  InterruptVectors,
  PciFunction,
  PciIds,
  Tap,
  Timer,
} from './platform/index.ts';
