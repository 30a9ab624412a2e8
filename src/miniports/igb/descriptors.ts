/**
 * Descriptor words of the 82576. Layer: miniports/igb.
 * Advanced receive (data sheet 7.1.5) and advanced data transmit descriptors (7.2.2.3).
 * Invariant: layout and DD, EOP, length are shared (intel/descriptor.ts); only what differs stands here.
 */
import type { DescriptorFormat } from '../intel/device.ts';
import { bit, field } from '../intel/register.ts';

/** Word 2 of the receive write-back: any MAC error, CRC included (7.1.5.2, bit 31). */
export const RX_ERROR_RXE = bit(31);

/** Word 2 of a transmit data descriptor (7.2.2.3). */
export const TX_DTALEN = field(0, 16);
export const TX_DTYP_DATA = field(20, 4).of(3);
export const TX_DCMD_EOP = bit(24);
export const TX_DCMD_IFCS = bit(25);
export const TX_DCMD_RS = bit(27);
export const TX_DCMD_DEXT = bit(29);
/** Word 3: length of the whole frame. */
export const TX_PAYLEN = field(14, 18);

export const format: DescriptorFormat = {
  receiveErrors: RX_ERROR_RXE,
  transmitCommand: TX_DTYP_DATA | TX_DCMD_DEXT | TX_DCMD_IFCS,
  transmitEnd: TX_DCMD_EOP,
  transmitReport: TX_DCMD_RS,
  payloadLengthShift: TX_PAYLEN.low,
};
