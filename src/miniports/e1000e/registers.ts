/**
 * Registers of the 82574L that the 82576 lacks, has elsewhere or gives another meaning. Layer: miniports/e1000e.
 * Sections: 82574 GbE Controller Family data sheet, chapter 10. Common registers: intel/mac-registers.ts.
 * Invariant: one register, one line; bits stand beside their register under the data sheet's names.
 */
import { bit, field, register, registerArray } from '../intel/register.ts';

export const CTRL_EXT_EIAME = bit(24);
/** Set: a read of ICR masks by IAM. Left clear: interrupts are masked by explicit writes of IMC. */
export const CTRL_EXT_IAME = bit(27);
/** Left 0: set, an IMS write clears the vector's pending bit and loses what came while the table masked it. */
export const CTRL_EXT_PBA_CLR = bit(31);

export const EIAC = register(0x000dc, 'RW', '10.2.4.9 causes cleared when their MSI-X message is sent');
export const IAM = register(0x000e0, 'RW', '10.2.4.7 mask applied on ICR read with IAME');
export const IVAR = register(0x000e4, 'RW', '10.2.4.10 cause to MSI-X vector');
export const IVAR_RXQ = [field(0, 3), field(4, 3)] as const;
export const IVAR_RXQ_VALID = [bit(3), bit(7)] as const;
export const IVAR_TXQ = [field(8, 3), field(12, 3)] as const;
export const IVAR_TXQ_VALID = [bit(11), bit(15)] as const;
export const IVAR_OTHER = field(16, 3);
export const IVAR_OTHER_VALID = bit(19);
export const EITR = registerArray(0x000e8, 4, 5, 'RW', '10.2.4.11 throttle per MSI-X vector, 256 ns units');
export const ITR = register(0x000c4, 'RW', '10.2.4.2 throttle of MSI and line, 256 ns units');
/** Interval of ITR and EITR. */
export const ITR_INTERVAL = field(0, 16);

/** MSI-X causes in ICR, ICS, IMS, IMC and EIAC. */
export const ICR_RXQ = [bit(20), bit(21)] as const;
export const ICR_TXQ = [bit(22), bit(23)] as const;
export const ICR_OTHER = bit(24);
export const ICR_MDAC = bit(9);
export const ICR_SRPD = bit(16);
export const ICR_ACK = bit(17);
export const ICR_MNG = bit(18);

export const EXTCNF_CTRL = register(0x00f00, 'RW', '10.2.2.14 extended configuration; MDIO ownership');
export const EXTCNF_CTRL_MDIO_SW_OWNERSHIP = bit(5);

/** Buffer size in KiB, overrides BSIZE and BSEX when not 0. */
export const RCTL_FLXBUF = field(27, 4);
export const RFCTL_NFSW_DIS = bit(6);
export const RFCTL_NFSR_DIS = bit(7);
/** Without it an incoming TCP ACK raises a cause of its own: spurious MSI-X messages. */
export const RFCTL_ACK_DIS = bit(12);
export const RFCTL_EXSTEN = bit(15);

export const RDBAL = registerArray(0x02800, 0x100, 2, 'RW', '10.2.5.4 receive ring base, low');
export const RDBAH = registerArray(0x02804, 0x100, 2, 'RW', '10.2.5.5 receive ring base, high');
export const RDLEN = registerArray(0x02808, 0x100, 2, 'RW', '10.2.5.6 receive ring length, bytes');
export const RDH = registerArray(0x02810, 0x100, 2, 'RW', '10.2.5.7 receive head; the hardware moves it');
export const RDT = registerArray(0x02818, 0x100, 2, 'RW', '10.2.5.8 receive tail');
export const RDTR = register(0x02820, 'RW', '10.2.5.9 receive delay timer');
export const RXDCTL = registerArray(0x02828, 0x100, 2, 'RW', '10.2.5.10 receive descriptor control');
export const RADV = register(0x0282c, 'RW', '10.2.5.11 receive absolute delay timer');
export const RSRPD = register(0x02c00, 'RW', '10.2.5.12 small packet detect');
export const RAID = register(0x02c08, 'RW', '10.2.5.14 receive ACK delay');

export const TDBAL = registerArray(0x03800, 0x100, 2, 'RW', '10.2.6.4 transmit ring base, low');
export const TDBAH = registerArray(0x03804, 0x100, 2, 'RW', '10.2.6.5 transmit ring base, high');
export const TDLEN = registerArray(0x03808, 0x100, 2, 'RW', '10.2.6.6 transmit ring length, bytes');
export const TDH = registerArray(0x03810, 0x100, 2, 'RW', '10.2.6.7 transmit head; the hardware moves it');
export const TDT = registerArray(0x03818, 0x100, 2, 'RW', '10.2.6.8 transmit tail');
export const TIDV = register(0x03820, 'RW', '10.2.6.2 transmit interrupt delay');
export const TXDCTL = registerArray(0x03828, 0x100, 2, 'RW', '10.2.6.9 transmit descriptor control');
export const TADV = register(0x0382c, 'RW', '10.2.6.10 transmit absolute delay');
export const TARC = registerArray(0x03840, 0x100, 2, 'RW', '10.2.6.11 transmit arbitration');

export const XDCTL_PTHRESH = field(0, 6);
export const XDCTL_HTHRESH = field(8, 6);
export const XDCTL_WTHRESH = field(16, 6);
/** "Must be 1" in the data sheet's initialisation text: count descriptors. */
export const TXDCTL_COUNT_DESC = bit(22);
/** Thresholds count descriptors, not cache lines. */
export const XDCTL_GRAN = bit(24);
export const TARC_ENABLE = bit(10);
/** Set by every public driver of this chip; the data sheet calls it reserved. */
export const TARC_82574_BIT26 = bit(26);

export const GCR2 = register(0x05b64, 'RW', '10.2.2.17 PCIe control 2');
