/**
 * Public face of the NDIS layer: what miniports, protocols and hosts import.
 * Layer: ndis.
 */
export * from './adapter.ts';
export * from './clone.ts';
export * from './configuration.ts';
export type {
  AdapterFault,
  AdapterLogEntry,
  AdapterOptions,
  InterruptDetail,
  NDIS_PROTOCOL_BINDING_CHARACTERISTICS,
} from './core.ts';
export type { MessageCounters, TimeCounter } from './counters.ts';
export * from './data-path.ts';
export * from './dpc.ts';
export * from './driver.ts';
export * from './ethernet-attributes.ts';
export * from './event.ts';
export * from './interlocked.ts';
export * from './interrupt.ts';
export * from './io.ts';
export * from './memory.ts';
export * from './miniport.ts';
export * from './net-buffer-list.ts';
export * from './offload.ts';
export * from './oid.ts';
export * from './oid-types.ts';
export { NdisSetOptionalHandlers } from './pnp.ts';
export * from './pnp-types.ts';
export {
  type EX_POOL_PRIORITY,
  HighPoolPriority,
  LowPoolPriority,
  NdisAllocateMemoryWithTagPriority,
  NdisFreeMemory,
  NdisMoveMemory,
  NdisZeroMemory,
  NormalPoolPriority,
} from './pool-memory.ts';
export * from './protocol.ts';
export * from './rss.ts';
export * from './send-pool.ts';
export {
  type NDIS_SPIN_LOCK,
  NdisAcquireSpinLock,
  NdisAllocateSpinLock,
  NdisDprAcquireSpinLock,
  NdisDprReleaseSpinLock,
  NdisFreeSpinLock,
  NdisReleaseSpinLock,
  spinLock,
} from './spin-lock.ts';
export * from './status.ts';
export * from './system.ts';
export * from './time.ts';
export * from './types.ts';
export { KeGetCurrentIrql } from './verifier/frames.ts';
export * from './verifier/index.ts';
export * from './work-item.ts';
