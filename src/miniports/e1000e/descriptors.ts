/**
 * Descriptor words of the 82574L. Layer: miniports/e1000e.
 * Extended receive (data sheet 3.2.4) and extended data transmit descriptors (3.3.7).
 * Invariant: layout and DD, EOP, length are shared (intel/descriptor.ts); only what differs stands here.
 */
import type { DescriptorFormat } from '../intel/device.ts';
import { bit, field } from '../intel/register.ts';

/** Word 2 of the receive write-back: extended errors in bits 31:24 (3.2.4). */
export const RX_ERROR_CE = bit(24);
export const RX_ERROR_SE = bit(25);
export const RX_ERROR_SEQ = bit(26);
export const RX_ERROR_CXE = bit(28);
export const RX_ERROR_RXE = bit(31);

/** Word 2 of a transmit data descriptor (3.3.7.1). */
export const TX_DTALEN = field(0, 20);
export const TX_DTYP_DATA = bit(20);
export const TX_DCMD_EOP = bit(24);
export const TX_DCMD_IFCS = bit(25);
export const TX_DCMD_RS = bit(27);
export const TX_DCMD_DEXT = bit(29);

export const format: DescriptorFormat = {
  receiveErrors: RX_ERROR_CE | RX_ERROR_SE | RX_ERROR_SEQ | RX_ERROR_CXE | RX_ERROR_RXE,
  transmitCommand: TX_DTYP_DATA | TX_DCMD_DEXT | TX_DCMD_IFCS,
  transmitEnd: TX_DCMD_EOP,
  transmitReport: TX_DCMD_RS,
  payloadLengthShift: 0,
};
