/**
 * Registers both families have at the same offset with the same meaning. Layer: miniports/intel.
 * Sections are those of the 82574 data sheet (10.2.x) and the 82576 data sheet (8.x), in this order.
 * Invariant: names and bits are the data sheet's; a register stands here only when it is the same in both.
 */
import { bit, field, register, registerArray } from './register.ts';

// ---- Control ---------------------------------------------------------------------------------------------------------

export const CTRL = register(0x00000, 'RW', '10.2.2.1, 8.2.1 device control');
export const CTRL_FD = bit(0);
export const CTRL_GIO_MASTER_DISABLE = bit(2);
export const CTRL_SLU = bit(6);
export const CTRL_FRCSPD = bit(11);
export const CTRL_FRCDPX = bit(12);
export const CTRL_RST = bit(26);
export const CTRL_RFCE = bit(27);
export const CTRL_TFCE = bit(28);
export const CTRL_VME = bit(30);

export const STATUS = register(0x00008, 'RO', '10.2.2.2, 8.2.2 device status');
export const STATUS_FD = bit(0);
export const STATUS_LU = bit(1);
/** 0: 10 Mbit/s, 1: 100 Mbit/s, 2 and 3: 1000 Mbit/s. */
export const STATUS_SPEED = field(6, 2);
export const STATUS_GIO_MASTER_ENABLE = bit(19);

export const EECD = register(0x00010, 'RW', '10.2.2.3, 8.4.1 NVM control');
export const EECD_AUTO_RD = bit(9);

export const EERD = register(0x00014, 'RW', '10.2.2.4, 8.4.2 NVM read');
export const EERD_START = bit(0);
export const EERD_DONE = bit(1);
export const EERD_ADDR = field(2, 14);
export const EERD_DATA = field(16, 16);

export const CTRL_EXT = register(0x00018, 'RW', '10.2.2.5, 8.2.3 extended device control');
export const CTRL_EXT_DRV_LOAD = bit(28);

export const MDIC = register(0x00020, 'RW', '10.2.2.7, 8.2.4 MDI control');
export const MDIC_DATA = field(0, 16);
export const MDIC_REG = field(16, 5);
export const MDIC_PHY = field(21, 5);
export const MDIC_OP_WRITE = bit(26);
export const MDIC_OP_READ = bit(27);
export const MDIC_READY = bit(28);
export const MDIC_ERROR = bit(30);

export const FCAL = register(0x00028, 'RW', '10.2.2.9, 8.3.1 flow control address low');
export const FCAH = register(0x0002c, 'RW', '10.2.2.10, 8.3.2 flow control address high');
export const FCT = register(0x00030, 'RW', '10.2.2.11, 8.3.3 flow control type');
export const FCTTV = register(0x00170, 'RW', '10.2.2.13, 8.3.4 flow control transmit timer');
export const FCRTL = register(0x02160, 'RW', '10.2.5.2, 8.3.5 flow control threshold low; 0 sends no XON');
export const FCRTH = register(0x02168, 'RW', '10.2.5.3, 8.3.6 flow control threshold high');

// ---- Interrupts ------------------------------------------------------------------------------------------------------

export const ICR = register(0x000c0, 'RC_W1C', '10.2.4.1, 8.8.8 interrupt cause');
export const ICS = register(0x000c8, 'WO', '10.2.4.4, 8.8.9 interrupt cause set: triggers by software');
export const IMS = register(0x000d0, 'W1S', '10.2.4.5, 8.8.10 interrupt mask set');
export const IMC = register(0x000d8, 'WO', '10.2.4.6, 8.8.11 interrupt mask clear');
/** Descriptor written back, transmit. */
export const ICR_TXDW = bit(0);
export const ICR_LSC = bit(2);
export const ICR_RXDMT0 = bit(4);
export const ICR_RXO = bit(6);
/** Receive descriptor written back (82576), receive timer (82574): the same bit. */
export const ICR_RXT0 = bit(7);
/** The function asserts its interrupt: in line mode, not set means another device's. */
export const ICR_INT_ASSERTED = bit(31);

// ---- Receive and transmit --------------------------------------------------------------------------------------------

export const RCTL = register(0x00100, 'RW', '10.2.5.1, 8.10.1 receive control');
export const RCTL_EN = bit(1);
export const RCTL_SBP = bit(2);
export const RCTL_UPE = bit(3);
export const RCTL_MPE = bit(4);
export const RCTL_LPE = bit(5);
/** Which 12 bits of the address index MTA; 0: bits 47:36. */
export const RCTL_MO = field(12, 2);
export const RCTL_BAM = bit(15);
export const RCTL_BSIZE = field(16, 2);
export const RCTL_BSEX = bit(25);
export const RCTL_SECRC = bit(26);

export const TCTL = register(0x00400, 'RW', '10.2.6.1, 8.12.1 transmit control');
export const TCTL_EN = bit(1);
export const TCTL_PSP = bit(3);
export const TCTL_CT = field(4, 8);
export const TCTL_COLD = field(12, 10);
export const TCTL_RTLC = bit(24);

export const RXCSUM = register(0x05000, 'RW', '10.2.5.15, 8.10.13 receive checksum control');
export const RFCTL = register(0x05008, 'RW', '10.2.5.16, 8.10.14 receive filter control');
export const MRQC = register(0x05818, 'RW', '10.2.5.20, 8.10.20 multiple receive queues');

export const MTA = registerArray(0x05200, 4, 128, 'RW', '10.2.5.13, 8.10.16 multicast table, 4096 bits');
export const RAL = registerArray(0x05400, 8, 16, 'RW', '10.2.5.17, 8.10.17 receive address low: octets 0 to 3');
export const RAH = registerArray(0x05404, 8, 16, 'RW', '10.2.5.18, 8.10.18 receive address high: octets 4 and 5');
export const RAH_AV = bit(31);
export const VFTA = registerArray(0x05600, 4, 128, 'RW', '10.2.5.19, 8.10.19 VLAN filter table');

// ---- Wake-up, semaphores, PCIe ---------------------------------------------------------------------------------------

export const WUC = register(0x05800, 'RW', '10.2.8.1, 8.20.1 wake-up control');
export const GCR = register(0x05b00, 'RW', '10.2.2.16, 8.6.1 PCIe control');
export const SWSM = register(0x05b50, 'RW', '10.2.2.20, 8.7.1 software semaphore; SMBI is set by reading it clear');
export const SWSM_SMBI = bit(0);
export const SWSM_SWESMBI = bit(1);

// ---- Statistics: all clear on read, stick at all ones (10.2.7, 8.18) ---------------------------------------------------

export const CRCERRS = register(0x04000, 'RC', 'CRC errors');
export const ALGNERRC = register(0x04004, 'RC', 'alignment errors');
export const RXERRC = register(0x0400c, 'RC', 'receive errors');
export const MPC = register(0x04010, 'RC', 'missed packets: no room in the packet buffer');
export const ECOL = register(0x04018, 'RC', 'excessive collisions: given up sending');
export const LATECOL = register(0x04020, 'RC', 'late collisions');
export const RLEC = register(0x04040, 'RC', 'length errors: under- and oversized frames');
export const GPRC = register(0x04074, 'RC', 'good packets received');
export const BPRC = register(0x04078, 'RC', 'broadcast packets received');
export const MPRC = register(0x0407c, 'RC', 'multicast packets received');
export const GPTC = register(0x04080, 'RC', 'good packets sent');
export const GORCL = register(0x04088, 'RC', 'good octets received, low word; read first');
export const GORCH = register(0x0408c, 'RC', 'good octets received, high word; reading it clears the pair');
export const GOTCL = register(0x04090, 'RC', 'good octets sent, low word; read first');
export const GOTCH = register(0x04094, 'RC', 'good octets sent, high word; reading it clears the pair');
export const RNBC = register(0x040a0, 'RC', 'received while no descriptor was free; may still be delivered');
export const RUC = register(0x040a4, 'RC', 'undersized frames with a good CRC');
export const RFC = register(0x040a8, 'RC', 'fragments: undersized with a bad CRC');
export const ROC = register(0x040ac, 'RC', 'oversized frames with a good CRC');
export const RJC = register(0x040b0, 'RC', 'jabber: oversized with a bad CRC');
export const MPTC = register(0x040f0, 'RC', 'multicast packets sent');
export const BPTC = register(0x040f4, 'RC', 'broadcast packets sent');
