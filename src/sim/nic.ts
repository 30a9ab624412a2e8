/**
 * What the 82574 and the 82576 have in common: reset, NVM, PHY and link, address filter, statistics, and the movement
 * of frames through descriptor rings. Layer: sim; the chips add their descriptors and interrupts.
 * Invariants: the device reads and writes memory only through DmaSpace; a payload is in memory before its descriptor's
 * DD, DD before its interrupt; descriptors come back in ring order; a driver that breaks a rule is noted, not obeyed.
 */
import type { SimClock } from './clock.ts';
import { InOrder } from './in-order.ts';
import type { SimInterruptPort } from './interrupts.ts';
import type { DmaSpace } from './memory.ts';
import { OCTETS, COMMON as R, STATS as S } from './offsets.ts';
import type { Quirks } from './quirks.ts';
import type { Random } from './random.ts';
import { RegisterFile } from './register-file.ts';
import type { TurnQueue } from './turns.ts';
import type { FrameError, SimWire, WirePort } from './wire.ts';

/** What a NIC is made of. */
export interface NicParts {
  readonly clock: SimClock;
  readonly turns: TurnQueue;
  readonly memory: DmaSpace;
  readonly interrupts: SimInterruptPort;
  readonly wire: SimWire;
  readonly random: Random;
  readonly quirks: Quirks;
  readonly mac: Uint8Array;
  readonly deviceId: number;
  readonly subsystemId: number;
}

/** Register offsets of one ring. */
export interface RingRegisters {
  readonly low: number;
  readonly high: number;
  readonly length: number;
  readonly head: number;
  readonly tail: number;
  readonly control: number;
}

/** A transmit descriptor as the chip understood it. */
export interface TransmitDescriptor {
  readonly kind: 'data' | 'context' | 'bad';
  readonly address: number;
  readonly lengthBytes: number;
  readonly endOfPacket: boolean;
  readonly reportStatus: boolean;
  readonly insertFcs: boolean;
  /** 82576: PAYLEN of the frame; -1 where the format has none. */
  readonly payloadBytes: number;
}

interface Arrival {
  readonly frame: Uint8Array;
  readonly error: FrameError | undefined;
}

interface TransmitState {
  pieces: Uint8Array[];
  bytes: number;
  payloadBytes: number;
  first: boolean;
  insertFcs: boolean;
}

const FCS_BYTES = 4;
const PAGE_BYTES = 4096;
const MINIMUM_FRAME_BYTES = 60;
/** Packet buffer given to reception; the default split of both chips is of this order (PBA, RXPBS). */
const PACKET_BUFFER_BYTES = 32 * 1024;
const AUTONEGOTIATION_US = 500_000;

/** CTRL and STATUS bits (82574 10.2.2.1-2, 82576 8.2.1-2). */
const CTRL = { GIO_MASTER_DISABLE: 1 << 2, SLU: 1 << 6, RST: 1 << 26, RFCE: 1 << 27, TFCE: 1 << 28, PHY_RST: 2 ** 31 };
const STATUS = { FD: 1, LU: 2, SPEED_1000: 0x80, PHYRA: 1 << 10, GIO_MASTER: 1 << 19 };
const RCTL = { EN: 2, SBP: 4, UPE: 8, MPE: 0x10, LPE: 0x20, LBM: 0xc0, MO: 0x3000, BAM: 0x8000, SECRC: 1 << 26 };
const TCTL = { EN: 2, PSP: 8 };

/** Receive descriptor status and error bits, the same in both write-back formats (82574 7.1.5, 82576 7.1.5.2). */
export const RXD = { DD: 1, EOP: 2, CE: 1 << 24, SE: 1 << 25, RXE: 2 ** 31 } as const;

/** The part shared by both chips. */
export abstract class SimNic {
  readonly registers = new RegisterFile();
  readonly clock: SimClock;
  readonly turns: TurnQueue;
  readonly memory: DmaSpace;
  readonly interrupts: SimInterruptPort;
  readonly quirks: Quirks;
  readonly random: Random;
  readonly macAddress: Uint8Array;
  /** Descriptor write-backs of reception, in ring order. */
  readonly receiveWriteback: InOrder;
  /** The transmit engine: one step per descriptor. */
  readonly transmitEngine: InOrder;
  /** Descriptor write-backs of transmission, in ring order. */
  readonly transmitWriteback: InOrder;
  /** Frames this NIC put on the wire. */
  framesSent = 0;
  /** Frames it wrote into descriptors, all of them good. */
  framesReceived = 0;
  /** Frames that met a NIC without link or with reception off. */
  framesIgnored = 0;
  /** Frames the address filter refused. */
  framesFiltered = 0;
  /** Fault: transmission stands still until a reset. */
  transmitHang = false;
  /** Fault: how many further resets a hang survives. */
  hangSurvivesResets = 0;
  /** Fault: CTRL.RST never completes. */
  resetHangs = false;
  /** Fault: what reads give after a surprise removal. */
  gone: 'no' | 'ones' | 'zero' = 'no';
  /** Accesses software made after the device was gone. */
  accessesWhenGone = 0;
  /** Resets seen, by CTRL.RST. */
  resets = 0;
  /** Fault: NVM reads never finish. */
  nvmHangs = false;
  readonly nvm = new Uint16Array(64);
  readonly phy = new Uint16Array(32);

  protected readonly wire: WirePort;
  readonly #wireState: SimWire;
  #phyLink = false;
  #bmsrLatched = false;
  #autonegotiation: { cancel(): void } | undefined;
  #wedged = false;
  #fifo: Arrival[] = [];
  #fifoBytes = 0;
  #backlog: Arrival[] = [];
  #busyUntilUs = new Map<number, number>();
  #transmit: TransmitState[] = [];
  #transmitCauses = 0;
  /** What the device owns per receive ring: descriptor index -> the four words that were posted. */
  #posted: Array<Map<number, Uint32Array>> = [];
  /** Buffer addresses the device owns, to find one posted twice. */
  #owned = new Set<number>();
  #throttled = new Map<number, boolean>();

  protected abstract readonly receiveRings: readonly RingRegisters[];
  protected abstract readonly transmitRings: readonly RingRegisters[];

  constructor(parts: NicParts) {
    this.clock = parts.clock;
    this.turns = parts.turns;
    this.memory = parts.memory;
    this.interrupts = parts.interrupts;
    this.quirks = parts.quirks;
    this.random = parts.random;
    this.macAddress = parts.mac;
    this.#wireState = parts.wire;
    this.receiveWriteback = new InOrder(parts.turns, parts.random);
    this.transmitEngine = new InOrder(parts.turns, parts.random);
    this.transmitWriteback = new InOrder(parts.turns, parts.random);
    this.wire = parts.wire.attach({
      receive: (frame, error) => this.#arrive({ frame, error }),
      carrier: (up) => this.#cable(up),
    });
    this.#fillNvm(parts);
    this.#defineCommon();
  }

  // ---- the chip's part ------------------------------------------------------------------------------------------

  /** Bytes one receive buffer of the ring takes. */
  protected abstract receiveBufferBytes(ring: number): number;
  protected abstract receiveEnabled(ring: number): boolean;
  protected abstract transmitEnabled(ring: number): boolean;
  /** Longest frame with its FCS that reception takes. */
  protected abstract longestReceiveBytes(): number;
  protected abstract parseTransmit(words: Uint32Array): TransmitDescriptor;
  /** Sets DD in the descriptor the chip way. */
  protected abstract writeBackTransmit(words: Uint32Array): void;
  /** Error bits in the status word of a damaged frame that RCTL.SBP lets through. */
  protected abstract errorBits(error: FrameError): number;
  protected abstract causeReceive(ring: number, belowThreshold: boolean): void;
  /** `rings` is a bit mask. */
  protected abstract causeTransmit(rings: number, empty: boolean): void;
  protected abstract causeLink(): void;
  protected abstract causeMdio(): void;
  protected abstract causeOverrun(): void;
  /** What EITR tells for a vector, in microseconds. */
  protected abstract intervalUs(vector: number): number;
  /** Resets interrupt registers and whatever else the chip has. */
  protected abstract resetChip(): void;
  /** Offsets of what a driver configures and must restore after a reset (filters, addresses). */
  abstract readonly configuration: readonly number[];

  // ---- entry points of the bus -----------------------------------------------------------------------------------

  read32(offset: number): number {
    this.turns.note();
    this.clock.stall(0.25);
    if (this.gone !== 'no') {
      this.accessesWhenGone += 1;
      return this.gone === 'ones' ? 0xffff_ffff : 0;
    }
    return this.registers.read(offset);
  }

  write32(offset: number, value: number): void {
    this.turns.note();
    this.clock.stall(0.1);
    if (this.gone !== 'no') {
      this.accessesWhenGone += 1;
      return;
    }
    if (offset !== R.CTRL && this.#busy(R.CTRL)) {
      this.registers.violate('register written during CTRL.RST (82574 10.2.2.1)', `offset 0x${offset.toString(16)}`);
    }
    this.registers.write(offset, value >>> 0);
  }

  /** Surprise removal: nothing answers any more, nothing is sent. */
  remove(reads: 'ones' | 'zero'): void {
    this.gone = reads;
    this.#stop();
    this.interrupts.drive(false);
  }

  /** Bus mastering changed in configuration space. */
  busMasterChanged(): void {
    if (this.memory.busMaster) this.#pump();
  }

  /** Function-level reset, where the device has one. */
  functionReset(): void {
    this.#reset(true);
  }

  /** STATUS.LU. */
  get linkUp(): boolean {
    return (this.registers.get(R.STATUS) & STATUS.LU) !== 0;
  }

  /** Frames inside the device or its back end that no descriptor took yet. */
  get framesWaiting(): number {
    return this.#fifo.length + this.#backlog.length;
  }

  /** True when neither receiver nor transmitter is enabled nor any work is under way. */
  get quiet(): boolean {
    const enabled = (this.registers.get(R.RCTL) & RCTL.EN) !== 0 || (this.registers.get(R.TCTL) & TCTL.EN) !== 0;
    const working = this.receiveWriteback.waiting + this.transmitEngine.waiting + this.transmitWriteback.waiting > 0;
    return !enabled && !working;
  }

  /** TDH and TDT of a ring. */
  transmitPointers(ring = 0): { head: number; tail: number } {
    const regs = this.transmitRings[ring]!;
    return { head: this.registers.get(regs.head), tail: this.registers.get(regs.tail) };
  }

  /** RDH and RDT of a ring. */
  receivePointers(ring = 0): { head: number; tail: number; count: number } {
    const regs = this.receiveRings[ring]!;
    return {
      head: this.registers.get(regs.head),
      tail: this.registers.get(regs.tail),
      count: this.registers.get(regs.length) / 16,
    };
  }

  // ---- registers -------------------------------------------------------------------------------------------------

  #defineCommon(): void {
    const r = this.registers;
    r.define('CTRL', R.CTRL, 'rw', {
      read: () => r.get(R.CTRL) | (this.resetHangs || this.#busy(R.CTRL) ? CTRL.RST : 0),
      write: (value) => this.#writeControl(value),
    });
    r.define('STATUS', R.STATUS, 'ro', {
      read: () => this.#status(),
      write: (value) => {
        if ((value & STATUS.PHYRA) === 0) r.set(R.STATUS, r.get(R.STATUS) & ~STATUS.PHYRA);
      },
    });
    r.define('EECD', R.EECD, 'rw', {
      reset: 0x300, // EE_PRES, AUTO_RD
      // EE_GNT (bit 7) follows EE_REQ (bit 6)
      write: (value) => r.set(R.EECD, (value & ~0x380) | 0x300 | ((value & 0x40) << 1)),
    });
    r.define('EERD', R.EERD, 'rw', {
      read: () => (this.nvmHangs || this.#busy(R.EERD) ? r.get(R.EERD) & ~2 : r.get(R.EERD)),
      write: (value) => {
        const word = (value >>> 2) & 0x3fff;
        const data = this.nvm[word] ?? 0xffff;
        r.set(R.EERD, (value & 1) === 0 ? value & 0xfffc : (((data << 16) >>> 0) | (word << 2) | 2) >>> 0);
        this.#occupy(R.EERD, 20);
      },
    });
    r.define('CTRL_EXT', R.CTRL_EXT, 'rw');
    r.define('MDIC', R.MDIC, 'rw', {
      read: () => (this.#busy(R.MDIC) ? r.get(R.MDIC) & ~(1 << 28) : r.get(R.MDIC)),
      write: (value) => this.#mdic(value),
    });
    r.define('RCTL', R.RCTL, 'rw', {
      write: (value) => {
        const before = r.get(R.RCTL);
        r.set(R.RCTL, value);
        if ((value & RCTL.EN) === 0 && (before & RCTL.EN) !== 0) this.#dropFifo();
        this.#pump();
      },
    });
    r.define('TCTL', R.TCTL, 'rw', {
      write: (value) => {
        r.set(R.TCTL, value);
        for (let i = 0; i < this.transmitRings.length; i += 1) this.kickTransmit(i);
      },
    });
    for (const name of ['FCAL', 'FCAH', 'FCT', 'VET', 'FCTTV', 'TIPG', 'LEDCTL', 'PBA'] as const) {
      r.define(name, R[name], 'rw');
    }
    for (const name of ['FCRTL', 'FCRTH', 'FCRTV', 'RXCSUM', 'RFCTL', 'WUC', 'WUFC', 'WUS', 'MRQC'] as const) {
      r.define(name, R[name], 'rw');
    }
    for (const name of ['MANC', 'MANC2H', 'GCR', 'FUNCTAG', 'FACTPS', 'FWSM', 'SW_FW_SYNC'] as const) {
      r.define(name, R[name], 'rw');
    }
    r.define('SWSM', R.SWSM, 'rw', {
      read: () => {
        const value = r.get(R.SWSM);
        r.set(R.SWSM, value | 1); // SMBI is taken by reading it as 0
        return value;
      },
    });
    r.define('PBACLR', R.PBACLR, 'rw', {
      write: (value) => {
        for (let i = 0; i < 25; i += 1) if ((value & (1 << i)) !== 0) this.interrupts.clearPending(i);
      },
    });
    for (let i = 0; i < 128; i += 1) {
      r.define(`MTA[${i}]`, R.MTA + 4 * i, 'rw');
      r.define(`VFTA[${i}]`, R.VFTA + 4 * i, 'rw');
    }
    for (let i = 0; i < 16; i += 1) {
      r.define(`RAL[${i}]`, R.RAL + 8 * i, 'rw');
      r.define(`RAH[${i}]`, R.RAH + 8 * i, 'rw');
    }
    for (let i = 0; i < 32; i += 1) r.define(`RETA[${i}]`, R.RETA + 4 * i, 'rw');
    for (let i = 0; i < 10; i += 1) r.define(`RSSRK[${i}]`, R.RSSRK + 4 * i, 'rw');
    for (const [name, offset] of Object.entries(S)) r.define(name, offset, 'rc');
    for (const [name, offset] of Object.entries(OCTETS)) {
      r.define(`${name}L`, offset, 'ro');
      r.define(`${name}H`, offset + 4, 'rc', {
        read: () => {
          r.set(offset, 0); // reading the high word clears the pair
          return r.get(offset + 4);
        },
      });
    }
  }

  /** Defines the registers of a ring; the chips call it from their constructors. */
  protected defineReceiveRing(index: number, regs: RingRegisters): void {
    const r = this.registers;
    this.#posted[index] = new Map();
    const enabled = () => this.receiveEnabled(index);
    this.#defineBase(`RX${index}`, regs, enabled);
    r.define(`RDH[${index}]`, regs.head, 'rw', {
      write: (value) => {
        if (enabled()) r.violate('RDH written while the receiver is on', `${value}`);
        r.set(regs.head, value & 0xffff);
      },
    });
    r.define(`RDT[${index}]`, regs.tail, 'rw', { write: (value) => this.#receiveTail(index, regs, value) });
  }

  /** As {@link defineReceiveRing}. */
  protected defineTransmitRing(index: number, regs: RingRegisters): void {
    const r = this.registers;
    this.#transmit[index] = { pieces: [], bytes: 0, payloadBytes: -1, first: true, insertFcs: false };
    const enabled = () => this.transmitEnabled(index);
    this.#defineBase(`TX${index}`, regs, enabled);
    r.define(`TDH[${index}]`, regs.head, 'rw', {
      write: (value) => {
        if (enabled()) r.violate('TDH written while the transmitter is on', `${value}`);
        r.set(regs.head, value & 0xffff);
      },
    });
    r.define(`TDT[${index}]`, regs.tail, 'rw', {
      write: (value) => {
        const count = r.get(regs.length) / 16;
        if (value >= count && value !== 0) r.violate('TDT outside of the ring', `${value} of ${count}`);
        r.set(regs.tail, value & 0xffff);
        this.kickTransmit(index);
      },
    });
  }

  #defineBase(name: string, regs: RingRegisters, enabled: () => boolean): void {
    const r = this.registers;
    const guard = (what: string, mask: number, offset: number) => (value: number) => {
      const ring = offset === regs.length ? r.get(regs.length) : r.get(offset);
      if (enabled() && ring !== value && r.get(regs.head) !== r.get(regs.tail)) {
        r.violate('ring moved while enabled', `${name} ${what}`);
      }
      if ((value & ~mask) !== 0) r.violate('ring alignment', `${name} ${what} = 0x${value.toString(16)}`);
      r.set(offset, value & mask);
    };
    r.define(`${name} BAL`, regs.low, 'rw', { write: guard('base', 0xffff_ff80, regs.low) });
    r.define(`${name} BAH`, regs.high, 'rw');
    r.define(`${name} LEN`, regs.length, 'rw', { write: guard('length', 0x000f_ff80, regs.length) });
  }

  #status(): number {
    const master = (this.registers.get(R.CTRL) & CTRL.GIO_MASTER_DISABLE) === 0 ? STATUS.GIO_MASTER : 0;
    return this.registers.get(R.STATUS) | STATUS.FD | STATUS.SPEED_1000 | master;
  }

  #writeControl(value: number): void {
    if ((value & CTRL.RST) !== 0) {
      this.#reset(false);
      return;
    }
    this.registers.set(R.CTRL, value & ~CTRL.RST & ~CTRL.PHY_RST);
    if ((value & CTRL.PHY_RST) !== 0) {
      this.#resetPhy();
      this.registers.set(R.STATUS, this.registers.get(R.STATUS) | STATUS.PHYRA);
      this.#restartAutonegotiation();
    }
    this.#updateLink();
  }

  #busy(offset: number): boolean {
    return (this.#busyUntilUs.get(offset) ?? 0) > this.clock.nowUs();
  }

  #occupy(offset: number, forUs: number): void {
    if (!this.quirks.instant) this.#busyUntilUs.set(offset, this.clock.nowUs() + forUs);
  }

  // ---- reset -----------------------------------------------------------------------------------------------------

  /** Brings every register to its reset value. The chips call it once at the end of their constructors. */
  protected powerUp(): void {
    this.#resetPhy();
    this.#loadAddress();
    if (this.quirks.tablesKeepGarbage) this.#garbage();
    // The cable was in while the machine booted.
    this.#phyLink = this.#wireState.up && !this.quirks.ctrlResetHitsPhy;
    this.#showPhyLink();
  }

  #reset(full: boolean): void {
    this.resets += 1;
    this.#stop();
    this.#wedged = false;
    if (this.hangSurvivesResets > 0) this.hangSurvivesResets -= 1;
    else this.transmitHang = false;
    const keep = new Set<number>();
    if (this.quirks.tablesKeepGarbage && !full) {
      for (let i = 0; i < 128; i += 1) keep.add(R.MTA + 4 * i);
    }
    this.registers.reset(keep);
    this.#loadAddress();
    if (this.quirks.ctrlResetHitsPhy || full) {
      this.#autonegotiation?.cancel();
      this.#autonegotiation = undefined;
      this.#phyLink = false;
      this.#resetPhy();
    }
    if (this.quirks.tablesKeepGarbage) this.#garbage();
    this.registers.set(R.STATUS, 0);
    this.resetChip();
    this.#occupy(R.CTRL, 300);
  }

  /** Ends all work in the engines; frames inside are lost. */
  #stop(): void {
    this.receiveWriteback.clear();
    this.transmitEngine.clear();
    this.transmitWriteback.clear();
    this.#dropFifo();
    this.#transmitCauses = 0;
    for (const state of this.#transmit) {
      state.pieces = [];
      state.bytes = 0;
      state.first = true;
    }
    for (const posted of this.#posted) posted.clear();
    this.#owned.clear();
  }

  #dropFifo(): void {
    this.#fifo = [];
    this.#fifoBytes = 0;
  }

  #garbage(): void {
    for (let i = 0; i < 128; i += 1) this.registers.set(R.MTA + 4 * i, this.random.integer(0, 0xffff_ffff));
  }

  #fillNvm(parts: NicParts): void {
    const words = this.nvm;
    for (let i = 0; i < 3; i += 1) words[i] = parts.mac[2 * i]! | (parts.mac[2 * i + 1]! << 8);
    words[0x0b] = parts.subsystemId;
    words[0x0c] = 0x8086;
    words[0x0d] = parts.deviceId;
    words[0x0e] = 0x8086;
    words[0x0f] = 0x4000;
    this.fixNvmChecksum();
  }

  /** Word 0x3F makes the sum of words 0 to 0x3F 0xBABA (82574 6.1.2.21, 82576 6.4). */
  fixNvmChecksum(): void {
    let sum = 0;
    for (let i = 0; i < 0x3f; i += 1) sum += this.nvm[i]!;
    this.nvm[0x3f] = (0xbaba - sum) & 0xffff;
  }

  #loadAddress(): void {
    this.registers.set(R.RAL, (this.nvm[0]! | (this.nvm[1]! << 16)) >>> 0);
    this.registers.set(R.RAH, (this.nvm[2]! | 0x8000_0000) >>> 0);
  }

  // ---- PHY and link ----------------------------------------------------------------------------------------------

  /** Identifier words of the PHY; the chips differ. */
  protected abstract readonly phyId: readonly [number, number];
  /** PHY registers the chip has besides 0-10 and 15. */
  protected abstract readonly phyExtra: readonly number[];

  #resetPhy(): void {
    this.phy.fill(0);
    this.phy[0] = 0x1140; // autonegotiation, full duplex, 1000 Mbit/s
    this.phy[1] = 0x7949; // abilities, extended status
    this.phy[2] = this.phyId[0];
    this.phy[3] = this.phyId[1];
    this.phy[4] = 0x0de1;
    this.phy[9] = 0x0e00;
    this.phy[15] = 0x3000;
    this.#showPhyLink();
  }

  #showPhyLink(): void {
    this.phy[1] = (this.phy[1]! & ~0x24) | (this.#phyLink ? 0x24 : 0); // AN complete, link
    this.phy[5] = this.#phyLink ? 0xcde1 : 0;
    this.phy[10] = this.#phyLink ? 0x3c00 : 0;
    if (!this.#phyLink) this.#bmsrLatched = true;
    // PHY specific status, resolved: 1000 Mbit/s full duplex, link (88E1000 layout of the 82574's register 17)
    this.phy[17] = this.#phyLink ? 0xac00 : 0;
  }

  #cable(up: boolean): void {
    if (this.gone !== 'no') return;
    if (up) {
      if ((this.phy[0]! & 0x1000) !== 0) this.#restartAutonegotiation();
    } else {
      this.#autonegotiation?.cancel();
      this.#autonegotiation = undefined;
      this.#phyLink = false;
      this.#showPhyLink();
      this.#updateLink();
    }
  }

  #restartAutonegotiation(): void {
    this.#autonegotiation?.cancel();
    const was = this.#phyLink;
    this.#phyLink = false;
    this.#showPhyLink();
    // QEMU takes LU down without an interrupt here; the PHY of the silicon tells the MAC.
    if (was && !this.quirks.linkIgnoresSlu) this.#updateLink();
    else this.registers.set(R.STATUS, this.registers.get(R.STATUS) & ~STATUS.LU);
    this.#autonegotiation = this.clock.afterHardware(AUTONEGOTIATION_US, () => {
      this.#autonegotiation = undefined;
      if (!this.#wireState.up || this.gone !== 'no' || (this.phy[0]! & 0x0800) !== 0) return;
      this.#phyLink = true;
      this.#showPhyLink();
      this.registers.set(R.CTRL, this.registers.get(R.CTRL) | CTRL.RFCE | CTRL.TFCE);
      this.#updateLink();
    });
  }

  #updateLink(): void {
    const before = this.linkUp;
    const slu = this.quirks.linkIgnoresSlu || (this.registers.get(R.CTRL) & CTRL.SLU) !== 0;
    const now = this.#phyLink && slu;
    if (now === before) return;
    const status = this.registers.get(R.STATUS);
    this.registers.set(R.STATUS, now ? status | STATUS.LU : status & ~STATUS.LU);
    this.causeLink();
    if (now) this.#pump();
  }

  #mdic(value: number): void {
    const data = value & 0xffff;
    const register = (value >>> 16) & 0x1f;
    const phy = (value >>> 21) & 0x1f;
    const operation = (value >>> 26) & 3;
    const known = register <= 10 || register === 15 || this.phyExtra.includes(register);
    let result = value & ~(1 << 30);
    if (phy !== 1 || !known) {
      result |= 1 << 30; // error
    } else if (operation === 2) {
      let read = this.phy[register]!;
      if (register === 1 && this.quirks.bmsrLatchesLow) {
        if (this.#bmsrLatched) read &= ~4;
        this.#bmsrLatched = !this.#phyLink;
      }
      result = (result & ~0xffff) | read;
    } else if (operation === 1) {
      if (register === 0) this.#writeBmcr(data);
      else if (register !== 1 && register !== 2 && register !== 3) this.phy[register] = data;
    }
    this.registers.set(R.MDIC, (result | (1 << 28)) >>> 0);
    this.#occupy(R.MDIC, 60);
    if ((value & (1 << 29)) !== 0) this.causeMdio();
  }

  #writeBmcr(data: number): void {
    if ((data & 0x8000) !== 0) {
      this.#resetPhy();
      this.#restartAutonegotiation();
      return;
    }
    this.phy[0] = data & ~0x823f; // reset and restart clear themselves
    if ((data & 0x0800) !== 0) {
      this.#phyLink = false;
      this.#showPhyLink();
      this.#updateLink();
    } else if ((data & 0x0200) !== 0 && (data & 0x1000) !== 0) {
      this.#restartAutonegotiation();
    }
  }

  // ---- reception -------------------------------------------------------------------------------------------------

  #arrive(arrival: Arrival): void {
    this.turns.note();
    if (this.gone !== 'no') return;
    const copy = { frame: arrival.frame.slice(), error: arrival.error };
    if (!this.linkUp) {
      this.framesIgnored += 1;
    } else if (this.quirks.backEndQueues) {
      this.#backlog.push(copy);
      this.#pump();
    } else if ((this.registers.get(R.RCTL) & RCTL.EN) === 0) {
      this.framesIgnored += 1;
    } else {
      this.#accept(copy);
      this.#drain();
    }
  }

  /** Lets waiting frames in, after whatever could have stood in the way has changed. */
  #pump(): void {
    while (this.#backlog.length > 0 && this.#canReceive()) {
      this.#accept(this.#backlog.shift()!);
      this.#drain();
    }
    this.#drain();
  }

  #canReceive(): boolean {
    if (!this.linkUp || !this.memory.busMaster || this.#wedged) return false;
    if (!this.receiveEnabled(0) || this.#fifo.length > 0) return false;
    const { head, tail } = this.receivePointers();
    return head !== tail;
  }

  #accept(arrival: Arrival): void {
    const r = this.registers;
    let frame = arrival.frame;
    if (frame.length < MINIMUM_FRAME_BYTES) {
      const padded = new Uint8Array(MINIMUM_FRAME_BYTES);
      padded.set(frame);
      frame = padded;
    }
    const wireBytes = frame.length + FCS_BYTES;
    r.add(S.TPR, 1);
    this.#addOctets(OCTETS.TOR, wireBytes);
    const rctl = r.get(R.RCTL);
    if (arrival.error !== undefined) {
      r.add(arrival.error === 'crc' ? S.CRCERRS : arrival.error === 'alignment' ? S.ALGNERRC : S.RXERRC, 1);
      if ((rctl & RCTL.SBP) === 0) return;
    }
    if (wireBytes > this.longestReceiveBytes()) {
      r.add(S.ROC, 1);
      return;
    }
    if (!this.#passes(frame)) {
      this.framesFiltered += 1;
      return;
    }
    if (this.#fifoBytes + wireBytes > PACKET_BUFFER_BYTES) {
      r.add(S.MPC, 1);
      this.causeOverrun();
      return;
    }
    const { head, tail } = this.receivePointers();
    if (head === tail) r.add(S.RNBC, 1);
    this.#fifo.push({ frame, error: arrival.error });
    this.#fifoBytes += wireBytes;
  }

  /** Moves frames from the packet buffer into descriptors. */
  #drain(): void {
    const ring = 0; // no RSS: all traffic goes to queue 0
    while (this.#fifo.length > 0 && !this.#wedged && this.gone === 'no' && this.receiveEnabled(ring)) {
      const arrival = this.#fifo[0]!;
      const stripFcs = (this.registers.get(R.RCTL) & RCTL.SECRC) !== 0;
      const total = arrival.frame.length + (stripFcs ? 0 : FCS_BYTES);
      const bufferBytes = this.receiveBufferBytes(ring);
      const { head, tail, count } = this.receivePointers(ring);
      if (count === 0) return;
      const available = (tail - head + count) % count;
      if (available < Math.ceil(total / bufferBytes)) return;
      this.#fifo.shift();
      this.#fifoBytes -= arrival.frame.length + FCS_BYTES;
      this.#place(ring, arrival, total, bufferBytes);
    }
  }

  #place(ring: number, arrival: Arrival, total: number, bufferBytes: number): void {
    const r = this.registers;
    const regs = this.receiveRings[ring]!;
    const count = r.get(regs.length) / 16;
    const good = arrival.error === undefined;
    if (good) this.#countReceive(arrival.frame);
    let done = 0;
    while (done < total) {
      const index = r.get(regs.head);
      const piece = Math.min(bufferBytes, total - done);
      const last = done + piece === total;
      const place = this.#ringBase(regs) + 16 * index;
      const words = this.#words(place, false, `receive descriptor ${index}`);
      if (words === null) {
        this.#wedge();
        return;
      }
      this.#checkPosted(ring, index, words);
      const address = words[0]! + words[1]! * 0x1_0000_0000;
      const buffer = this.memory.access(address, piece, true, `receive buffer of descriptor ${index}`);
      if (buffer === null) {
        this.#wedge();
        return;
      }
      const data = arrival.frame.subarray(done, Math.min(arrival.frame.length, done + piece));
      buffer.set(data);
      if (data.length < piece) buffer.fill(0xfc, data.length); // the FCS, when it is not stripped
      const errors = arrival.error === undefined ? 0 : this.errorBits(arrival.error);
      const status = (RXD.DD | (last ? RXD.EOP : 0) | (last ? errors : 0)) >>> 0;
      this.#posted[ring]!.delete(index);
      r.set(regs.head, (index + 1) % count);
      const head = (index + 1) % count;
      // Length and tag may be in memory before the word with DD; never after it.
      this.receiveWriteback.submit(() => {
        const target = this.#words(place, true, `write-back of receive descriptor ${index}`);
        if (target === null) {
          this.#wedge();
          return;
        }
        target[0] = 0;
        target[1] = 0;
        target[3] = piece;
        if (this.receiveWriteback.mode === 'now') target[2] = status;
      });
      this.receiveWriteback.submit(() => {
        const target = this.#words(place, true, `write-back of receive descriptor ${index}`);
        if (target === null) {
          this.#wedge();
          return;
        }
        target[2] = status;
        if (!last) return;
        if (good) this.framesReceived += 1;
        const left = (r.get(regs.tail) - head + count) % count;
        this.causeReceive(ring, left < count / 2);
      });
      done += piece;
    }
  }

  #receiveTail(ring: number, regs: RingRegisters, value: number): void {
    const r = this.registers;
    const count = r.get(regs.length) / 16;
    if (value >= count && value !== 0) {
      r.violate('RDT outside of the ring', `${value} of ${count}`);
      return;
    }
    const before = r.get(regs.tail);
    r.set(regs.tail, value & 0xffff);
    if (count > 0 && (value - before + count) % count > 0) this.#prefetch(ring, regs, before, value, count);
    this.#pump();
  }

  /** The device may read new descriptors at once; what they say then must still hold when they are used. */
  #prefetch(ring: number, regs: RingRegisters, from: number, to: number, count: number): void {
    if (!this.memory.busMaster) return; // read when mastering goes on
    const posted = this.#posted[ring]!;
    for (let i = from; i !== to; i = (i + 1) % count) {
      if (posted.has(i)) {
        this.registers.violate('receive tail passed the head', `descriptor ${i} handed over twice`);
      }
      const bytes = this.memory.access(this.#ringBase(regs) + 16 * i, 16, false, `receive descriptor ${i}`);
      if (bytes === null) {
        this.#wedge();
        return;
      }
      const words = new Uint32Array(bytes.slice().buffer);
      if (this.#owned.has(words[0]!))
        this.registers.violate('one receive buffer in two descriptors', `descriptor ${i}`);
      this.#owned.add(words[0]!);
      if ((words[2]! & RXD.DD) !== 0) {
        this.registers.violate('receive descriptor handed over with DD still set', `descriptor ${i}`);
      }
      posted.set(i, words);
    }
  }

  #checkPosted(ring: number, index: number, words: Uint32Array): void {
    const before = this.#posted[ring]!.get(index);
    if (before === undefined) return;
    this.#owned.delete(before[0]!);
    if (before[0] !== words[0] || before[1] !== words[1] || before[2] !== words[2] || before[3] !== words[3]) {
      this.registers.violate('receive descriptor changed while the device owned it', `descriptor ${index}`);
    }
  }

  // ---- address filter (82574 7.1.1, 82576 7.1.1) --------------------------------------------------------------------

  #passes(frame: Uint8Array): boolean {
    const r = this.registers;
    const rctl = r.get(R.RCTL);
    const multicast = (frame[0]! & 1) !== 0;
    if (frame.subarray(0, 6).every((byte) => byte === 0xff)) {
      return (rctl & RCTL.BAM) !== 0 || (rctl & RCTL.MPE) !== 0;
    }
    if (multicast && (rctl & RCTL.MPE) !== 0) return true;
    if (!multicast && (rctl & RCTL.UPE) !== 0) return true;
    const low = (frame[0]! | (frame[1]! << 8) | (frame[2]! << 16) | (frame[3]! << 24)) >>> 0;
    const high = frame[4]! | (frame[5]! << 8);
    for (const [ral, rah] of this.addressRegisters()) {
      if (r.get(rah) >= 0x8000_0000 && r.get(ral) === low && (r.get(rah) & 0xffff) === high) return true;
    }
    if (!multicast) return false;
    const shift = [4, 3, 2, 0][(rctl & RCTL.MO) >>> 12]!;
    const hash = ((frame[4]! >>> shift) | (frame[5]! << (8 - shift))) & 0xfff;
    return (r.get(R.MTA + 4 * (hash >>> 5)) & (1 << (hash & 0x1f))) !== 0;
  }

  /** RAL/RAH pairs; 82576 has 8 more. */
  protected addressRegisters(): Array<readonly [number, number]> {
    return Array.from({ length: 16 }, (_, i) => [R.RAL + 8 * i, R.RAH + 8 * i] as const);
  }

  // ---- transmission ----------------------------------------------------------------------------------------------

  /** Starts the transmit engine of a ring, if there is work and nothing forbids it. */
  kickTransmit(ring: number): void {
    if (this.#transmitReady(ring)) this.transmitEngine.submit(() => this.#transmitOne(ring));
    if (this.transmitEngine.mode === 'now' && this.transmitWriteback.mode === 'now') this.#flushTransmitCauses();
  }

  #transmitReady(ring: number): boolean {
    const { head, tail } = this.transmitPointers(ring);
    return head !== tail && this.transmitEnabled(ring) && !this.transmitHang && !this.#wedged && this.gone === 'no';
  }

  #transmitOne(ring: number): void {
    if (!this.#transmitReady(ring)) return;
    const r = this.registers;
    const regs = this.transmitRings[ring]!;
    const count = r.get(regs.length) / 16;
    const index = r.get(regs.head);
    const place = this.#ringBase(regs) + 16 * index;
    const words = this.#words(place, false, `transmit descriptor ${index}`);
    if (words === null) {
      this.#wedge();
      return;
    }
    const state = this.#transmit[ring]!;
    const descriptor = this.parseTransmit(words);
    if (descriptor.kind === 'bad') {
      r.violate('transmit descriptor the chip does not know', `descriptor ${index}`);
      this.#wedge();
      return;
    }
    if (descriptor.kind === 'data') {
      if (state.first) {
        state.payloadBytes = descriptor.payloadBytes;
        state.insertFcs = descriptor.insertFcs;
        state.first = false;
      }
      if (descriptor.lengthBytes === 0) r.violate('transmit descriptor without data', `descriptor ${index}`);
      if (this.quirks.transmitWithinPages && (descriptor.address % PAGE_BYTES) + descriptor.lengthBytes > PAGE_BYTES) {
        r.violate('transmit buffer across a page', `descriptor ${index}`);
      }
      const data = this.memory.access(
        descriptor.address,
        descriptor.lengthBytes,
        false,
        `transmit buffer of descriptor ${index}`,
      );
      if (data === null) {
        this.#wedge();
        return;
      }
      state.pieces.push(data.slice());
      state.bytes += descriptor.lengthBytes;
      if (descriptor.endOfPacket) this.#emit(state, index);
    }
    r.set(regs.head, (index + 1) % count);
    if (descriptor.reportStatus) {
      this.transmitWriteback.submit(() => {
        const target = this.#words(place, true, `write-back of transmit descriptor ${index}`);
        if (target === null) {
          this.#wedge();
          return;
        }
        this.writeBackTransmit(target);
        this.#transmitCauses |= 1 << ring;
        if (this.transmitEngine.mode !== 'now' || this.transmitWriteback.mode !== 'now') this.#flushTransmitCauses();
      });
    }
    if (this.#transmitReady(ring)) this.transmitEngine.submit(() => this.#transmitOne(ring));
  }

  #flushTransmitCauses(): void {
    if (this.#transmitCauses === 0) return;
    const rings = this.#transmitCauses;
    this.#transmitCauses = 0;
    const { head, tail } = this.transmitPointers(0);
    this.causeTransmit(rings, head === tail);
  }

  #emit(state: TransmitState, index: number): void {
    const r = this.registers;
    if (state.payloadBytes >= 0 && state.payloadBytes !== state.bytes) {
      r.violate(
        'PAYLEN differs from the data (82576 7.2.2.3.11)',
        `${state.payloadBytes} and ${state.bytes} at ${index}`,
      );
    }
    if (!state.insertFcs) r.violate('frame without FCS (IFCS clear)', `descriptor ${index}`);
    if (state.bytes < 17) r.violate('frame shorter than 17 bytes (82574 7.2.4)', `${state.bytes} bytes`);
    let length = state.bytes;
    if (length < MINIMUM_FRAME_BYTES) {
      if ((r.get(R.TCTL) & TCTL.PSP) !== 0) length = MINIMUM_FRAME_BYTES;
      else r.violate('runt on the wire (TCTL.PSP clear)', `${length} bytes`);
    }
    const frame = new Uint8Array(length);
    let offset = 0;
    for (const piece of state.pieces) {
      frame.set(piece, offset);
      offset += piece.length;
    }
    state.pieces = [];
    state.bytes = 0;
    state.first = true;
    this.framesSent += 1;
    this.#countTransmit(frame);
    if ((r.get(R.RCTL) & RCTL.LBM) !== 0) this.#arrive({ frame, error: undefined });
    else if (this.linkUp) this.wire.send(frame);
  }

  // ---- statistics (82574 10.2.7, 82576 8.18) ------------------------------------------------------------------------

  #countReceive(frame: Uint8Array): void {
    const r = this.registers;
    const wireBytes = frame.length + FCS_BYTES;
    r.add(S.GPRC, 1);
    this.#addOctets(OCTETS.GORC, wireBytes);
    r.add(sizeCounter(S.PRC64, wireBytes), 1);
    if (isBroadcast(frame)) r.add(S.BPRC, 1);
    else if ((frame[0]! & 1) !== 0) r.add(S.MPRC, 1);
  }

  #countTransmit(frame: Uint8Array): void {
    const r = this.registers;
    const wireBytes = frame.length + FCS_BYTES;
    r.add(S.TPT, 1);
    this.#addOctets(OCTETS.TOT, wireBytes);
    r.add(S.GPTC, 1);
    this.#addOctets(OCTETS.GOTC, wireBytes);
    r.add(sizeCounter(S.PTC64, wireBytes), 1);
    if (isBroadcast(frame)) r.add(S.BPTC, 1);
    else if ((frame[0]! & 1) !== 0) r.add(S.MPTC, 1);
  }

  #addOctets(low: number, bytes: number): void {
    const sum = this.registers.get(low) + bytes;
    this.registers.set(low, sum % 0x1_0000_0000);
    if (sum >= 0x1_0000_0000) this.registers.add(low + 4, 1);
  }

  // ---- messages ----------------------------------------------------------------------------------------------------

  /** Sends a message on a vector, through the throttling and ghost quirks. */
  protected send(vector: number): void {
    const { ghostInterrupts, moderation } = this.quirks;
    const throttleUs = Math.max(this.quirks.throttleUs, moderation ? this.intervalUs(vector) : 0);
    if (throttleUs > 0) {
      if (this.#throttled.has(vector)) {
        this.#throttled.set(vector, true);
        return;
      }
      this.#throttled.set(vector, false);
      this.clock.afterHardware(throttleUs, () => {
        const postponed = this.#throttled.get(vector) === true;
        this.#throttled.delete(vector);
        if (this.gone === 'no' && (postponed || ghostInterrupts)) this.interrupts.message(vector);
      });
    } else if (ghostInterrupts) {
      this.clock.afterHardware(128, () => {
        if (this.gone === 'no') this.interrupts.message(vector);
      });
    }
    this.interrupts.message(vector);
  }

  // ---- memory ----------------------------------------------------------------------------------------------------

  #ringBase(regs: RingRegisters): number {
    return this.registers.get(regs.low) + this.registers.get(regs.high) * 0x1_0000_0000;
  }

  #words(iova: number, write: boolean, what: string): Uint32Array | null {
    const bytes = this.memory.access(iova, 16, write, what);
    return bytes === null ? null : new Uint32Array(bytes.buffer, bytes.byteOffset, 4);
  }

  /** After a fault the engines stand still until a reset. */
  #wedge(): void {
    this.#wedged = true;
  }
}

function isBroadcast(frame: Uint8Array): boolean {
  for (let i = 0; i < 6; i += 1) if (frame[i] !== 0xff) return false;
  return true;
}

function sizeCounter(first: number, wireBytes: number): number {
  const index = wireBytes <= 64 ? 0 : wireBytes <= 127 ? 1 : wireBytes <= 255 ? 2 : wireBytes <= 511 ? 3 : 4;
  return first + 4 * (index < 4 ? index : wireBytes <= 1023 ? 4 : 5);
}
