/**
 * Public face of the NDIS layer: what miniports, protocols and hosts import.
 * Layer: ndis.
 */
export * from './adapter.ts';
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
export * from './interrupt.ts';
export * from './io.ts';
export { KeGetCurrentIrql } from './irql.ts';
export * from './memory.ts';
export * from './miniport.ts';
export * from './net-buffer-list.ts';
export * from './oid.ts';
export * from './oid-types.ts';
export * from './protocol.ts';
export * from './send-pool.ts';
export * from './status.ts';
export * from './time.ts';
export * from './types.ts';
