/**
 * Registers of the 82576 that the 82574L lacks, has elsewhere or gives another meaning. Layer: miniports/igb.
 * Sections: 82576 GbE Controller data sheet, chapter 8. Common registers: intel/mac-registers.ts.
 * Invariant: one register, one line; bits stand beside their register under the data sheet's names.
 */
import { bit, field, register, registerArray } from '../intel/register.ts';

export const GPIE = register(0x01514, 'RW', '8.8.15 general purpose interrupt enable');
/** A read of ICR clears it whatever IMS says. */
export const GPIE_NSICR = bit(0);
/** Causes reach vectors through IVAR; without it everything shares one interrupt. */
export const GPIE_MULTIPLE_MSIX = bit(4);
export const GPIE_EIAME = bit(30);
export const GPIE_PBA_SUPPORT = bit(31);

export const EICS = register(0x01520, 'WO', '8.8.2 extended cause set: triggers by software');
export const EIMS = register(0x01524, 'W1S', '8.8.3 extended mask set; in MSI-X mode bit n is vector n');
export const EIMC = register(0x01528, 'WO', '8.8.4 extended mask clear');
/** Under QEMU it only sets bits, and only after GPIE.Multiple_MSIX. */
export const EIAC = register(0x0152c, 'RW', '8.8.5 causes cleared when their message is sent');
export const EIAM = register(0x01530, 'RW', '8.8.6 auto-mask; inverted in QEMU, so left alone');
export const EICR = register(0x01580, 'RC_W1C', '8.8.1 extended cause');
export const EITR = registerArray(0x01680, 4, 25, 'RW', '8.8.14 throttle per vector');
/** Interval in about 1 us. */
export const EITR_INTERVAL = field(2, 13);

export const IVAR = registerArray(
  0x01700,
  4,
  8,
  'RW',
  '8.8.13 queue causes to vectors: n and n+8, receive and transmit',
);
/** Byte lanes of IVAR[n]: receive queue n, transmit queue n, receive queue n+8, transmit queue n+8. */
export const IVAR_RX_LOW = field(0, 8);
export const IVAR_TX_LOW = field(8, 8);
export const IVAR_RX_HIGH = field(16, 8);
export const IVAR_TX_HIGH = field(24, 8);
export const IVAR_MISC = register(0x01740, 'RW', '8.8.13 TCP timer and other causes to vectors');
export const IVAR_MISC_OTHER = field(8, 8);
/** Bit 7 of a lane: this assignment is in use. */
export const IVAR_VALID = bit(7);

export const ICR_DRSTA = bit(30);

export const RDBAL = registerArray(0x0c000, 0x40, 16, 'RW', '8.10.5 receive ring base, low');
export const RDBAH = registerArray(0x0c004, 0x40, 16, 'RW', '8.10.6 receive ring base, high');
export const RDLEN = registerArray(0x0c008, 0x40, 16, 'RW', '8.10.7 receive ring length, bytes');
export const SRRCTL = registerArray(0x0c00c, 0x40, 16, 'RW', '8.10.2 split and replication receive control');
export const SRRCTL_BSIZEPACKET = field(0, 7);
export const SRRCTL_DESCTYPE = field(25, 3);
export const DESCTYPE_ADVANCED_ONE_BUFFER = 1;
export const SRRCTL_DROP_EN = bit(31);
export const RDH = registerArray(0x0c010, 0x40, 16, 'RW', '8.10.8 receive head; the hardware moves it');
export const RDT = registerArray(0x0c018, 0x40, 16, 'RW', '8.10.9 receive tail');
export const RXDCTL = registerArray(0x0c028, 0x40, 16, 'RW', '8.10.10 receive descriptor control');
export const RQDPC = registerArray(0x0c030, 0x40, 16, 'RO', '8.10.11 frames a queue dropped for want of descriptors');
export const RLPML = register(0x05004, 'RW', '8.10.15 longest frame accepted with RCTL.LPE, with CRC');

export const TDBAL = registerArray(0x0e000, 0x40, 16, 'RW', '8.12.8 transmit ring base, low');
export const TDBAH = registerArray(0x0e004, 0x40, 16, 'RW', '8.12.9 transmit ring base, high');
export const TDLEN = registerArray(0x0e008, 0x40, 16, 'RW', '8.12.10 transmit ring length, bytes');
export const TDH = registerArray(0x0e010, 0x40, 16, 'RW', '8.12.11 transmit head; the hardware moves it');
export const TDT = registerArray(0x0e018, 0x40, 16, 'RW', '8.12.12 transmit tail');
export const TXDCTL = registerArray(0x0e028, 0x40, 16, 'RW', '8.12.13 transmit descriptor control');
export const TDWBAL = registerArray(0x0e038, 0x40, 16, 'RW', '8.12.14 head write-back; bit 0 enables, left off');
export const TDWBAH = registerArray(0x0e03c, 0x40, 16, 'RW', '8.12.15 head write-back, high');

export const XDCTL_PTHRESH = field(0, 5);
export const XDCTL_HTHRESH = field(8, 5);
/** 1: prompt write-back; anything else delays it on this chip. */
export const XDCTL_WTHRESH = field(16, 5);
export const XDCTL_ENABLE = bit(25);

/** Resending a timed-out PCIe completion retries a read of an unmapped IOVA for ever. */
export const GCR_CMPL_TMOUT_RESEND = bit(16);

export const SW_FW_SYNC = register(0x05b5c, 'RW', '8.7.3 ownership of shared resources');
/** Software's and firmware's bits of PHY 0 and PHY 1; port 0 uses the first pair. */
export const SW_FW_SYNC_SW_PHY = [bit(1), bit(2)] as const;
export const SW_FW_SYNC_FW_PHY = [bit(17), bit(18)] as const;
/** STATUS.LAN_ID: which of the two ports this function is. */
export const STATUS_LAN_ID = field(2, 2);
