/**
 * Codes of NdisWriteErrorLogEntry. Layer: miniports/intel.
 * Invariant: the first are the WDK's NDIS_ERROR_CODE_ values; ours follow in a range of their own and are never reused.
 */

export const NDIS_ERROR_CODE_RESOURCE_CONFLICT = 0xc000_1388;
export const NDIS_ERROR_CODE_OUT_OF_RESOURCES = 0xc000_1389;
export const NDIS_ERROR_CODE_HARDWARE_FAILURE = 0xc000_138a;
export const NDIS_ERROR_CODE_ADAPTER_NOT_FOUND = 0xc000_138b;
export const NDIS_ERROR_CODE_INTERRUPT_CONNECT = 0xc000_138c;
export const NDIS_ERROR_CODE_TIMEOUT = 0x8000_138f;
export const NDIS_ERROR_CODE_NETWORK_ADDRESS = 0xc000_1390;

/** The device no longer answers: removed, or without power. */
export const EVENT_DEVICE_GONE = 0xe000_0001;
/** Sends made no progress; values: queue, head, tail, descriptors in flight, STATUS. A reset follows. */
export const EVENT_TRANSMIT_HANG = 0xe000_0002;
/** A register at the time of a hang; values: index in the family's dump table, queue, register value. */
export const EVENT_REGISTER = 0xe000_0003;
/** Work waited without an interrupt; values: message, times so far. */
export const EVENT_LOST_INTERRUPT = 0xa000_0004;
/** The PHY did not answer, the link may stay down. */
export const EVENT_PHY_SILENT = 0xa000_0005;
/** `NetworkAddress` holds no address a station may have; the permanent one is used. */
export const EVENT_NETWORK_ADDRESS_IGNORED = 0xa000_0006;
