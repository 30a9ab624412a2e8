/**
 * Descriptor words both families share: 16 bytes, four 32-bit words. Layer: miniports/intel. Hot file.
 * 82574: extended receive (3.2.4) and extended data transmit (3.3.7); 82576: advanced receive (7.1.5) and advanced data
 * transmit (7.2.2.3). Read format: words 0, 1 = buffer address. Write-back: word 2 = status, word 3 = length and VLAN.
 * Invariant: flat Uint32Array, index = descriptor * DESCRIPTOR_WORDS; the high address word is always 0 (IOVA < 4 GiB).
 */

export const DESCRIPTOR_WORDS = 4;
export const DESCRIPTOR_BYTES = 16;

/** Word 2 of a received descriptor. */
export const RX_DD = 1;
export const RX_EOP = 2;
/** Word 3 of a received descriptor. */
export const RX_LENGTH_MASK = 0xffff;

/** Word 3 of a sent descriptor: the device is done with it and with all before it. */
export const TX_DD = 1;
