/**
 * stub
 */
import type { PciFunction } from '../platform/index.ts';
import type { AdapterFault, AdapterLogEntry, AdapterOptions, InterruptDetail } from './core.ts';
import type { SendPool } from './send-pool.ts';
import type { NDIS_STATUS } from './status.ts';
import type {
  NDIS_HALT_ACTION,
  NDIS_LINK_STATE,
  NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
  NDIS_OID_REQUEST,
  NDIS_STATUS_INDICATION,
  NdisStatistics,
} from './types.ts';

export type AdapterState = 'Halted' | 'Shutdown' | 'Initializing' | 'Paused' | 'Restarting' | 'Running' | 'Pausing';
/** Ends a subscription. Idempotent. */
export type Unsubscribe = () => void;

/* eslint-disable */
export declare class Adapter {
  readonly pci: PciFunction;
  readonly options: AdapterOptions;
  get state(): AdapterState;
  initialize(): Promise<void>;
  restart(): Promise<void>;
  pause(): Promise<void>;
  halt(action?: NDIS_HALT_ACTION): Promise<void>;
  shutdown(): void;
  reset(): Promise<NDIS_STATUS>;
  surpriseRemoved(): Promise<void>;
  oidRequest(request: NDIS_OID_REQUEST): Promise<NDIS_STATUS>;
  queryOid(oid: number, bytes: number): Promise<Uint8Array>;
  setOid(oid: number, bytes: Uint8Array): Promise<void>;
  statistics(): Promise<NdisStatistics>;
  setPacketFilter(bits: number): Promise<void>;
  setMulticastList(macs: readonly Uint8Array[]): Promise<void>;
  get linkState(): NDIS_LINK_STATE;
  get generalAttributes(): NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES | null;
  get macAddress(): Uint8Array;
  get mtu(): number;
  get interrupt(): InterruptDetail | null;
  /** NBLs the protocols hold. */
  get receivesOutstanding(): number;
  /** NBLs the miniport holds. */
  get sendsOutstanding(): number;
  get faulted(): boolean;
  tableEntryMasked(entry: number): boolean;
  tableEntryPending(entry: number): boolean;
  allocateSendPool(options: { readonly frames: number; readonly frameBytes: number }): SendPool;
  onStatus(listener: (indication: NDIS_STATUS_INDICATION) => void): Unsubscribe;
  onLink(listener: (state: NDIS_LINK_STATE) => void): Unsubscribe;
  onLog(listener: (entry: AdapterLogEntry) => void): Unsubscribe;
  onFault(listener: (fault: AdapterFault) => void): Unsubscribe;
  onHang(listener: () => void): Unsubscribe;
  onReset(listener: (status: NDIS_STATUS) => void): Unsubscribe;
  onRemovalRequest(listener: () => void): Unsubscribe;
  onDeviceError(listener: () => void): Unsubscribe;
}
