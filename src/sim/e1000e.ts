/**
 * The 82574L: extended descriptors, two queues, five MSI-X vectors. Layer: sim.
 * Sections of the 82574 data sheet: interrupts 7.4, MSI-X mode 7.4.2, IVAR 10.2.4.9, receive descriptors 7.1.5,
 * transmit descriptors 7.2.10. Where QEMU's model does otherwise a quirk says so.
 * Invariant: a message goes out once for each cause that becomes pending and enabled.
 */
import { type NicParts, type RingRegisters, RXD, SimNic, type TransmitDescriptor } from './nic.ts';
import { COMMON as R, E1000E as X } from './offsets.ts';
import type { FrameError } from './wire.ts';

/** ICR bits (82574 10.2.4.1). */
export const ICR_82574 = {
  TXDW: 1 << 0,
  TXQE: 1 << 1,
  LSC: 1 << 2,
  RXDMT0: 1 << 4,
  RXO: 1 << 6,
  RXT0: 1 << 7,
  MDAC: 1 << 9,
  SRPD: 1 << 16,
  ACK: 1 << 17,
  MNG: 1 << 18,
  RXQ0: 1 << 20,
  RXQ1: 1 << 21,
  TXQ0: 1 << 22,
  TXQ1: 1 << 23,
  OTHER: 1 << 24,
  INT_ASSERTED: 0x8000_0000,
} as const;

const I = ICR_82574;
const OTHER_CAUSES = I.LSC | I.RXO | I.MDAC | I.SRPD | I.ACK | I.MNG;
const CTRL_EXT = { EIAME: 1 << 24, IAME: 1 << 27, PBA_SUPPORT: 2 ** 31 };
const RCTL_EN = 2;
const TCTL_EN = 2;
const VECTORS = 5;

function receiveRing(index: number): RingRegisters {
  const base = 0x2800 + 0x100 * index;
  return {
    low: base,
    high: base + 4,
    length: base + 8,
    head: base + 0x10,
    tail: base + 0x18,
    control: base + 0x28,
  };
}

function transmitRing(index: number): RingRegisters {
  const base = 0x3800 + 0x100 * index;
  return {
    low: base,
    high: base + 4,
    length: base + 8,
    head: base + 0x10,
    tail: base + 0x18,
    control: base + 0x28,
  };
}

/** A simulated 82574L. */
export class SimE1000e extends SimNic {
  protected readonly receiveRings = [receiveRing(0), receiveRing(1)];
  protected readonly transmitRings = [transmitRing(0), transmitRing(1)];
  protected readonly phyId = [0x0141, 0x0cb1] as const;
  protected readonly phyExtra = [16, 17, 18, 19, 20, 21, 22, 25, 26, 29, 30, 31];
  readonly configuration = [
    R.RCTL,
    R.TCTL,
    R.RAL,
    R.RAH,
    X.IVAR,
    R.RFCTL,
    ...Array.from({ length: 128 }, (_, i) => R.MTA + 4 * i),
  ];
  /** Causes a message has been sent for and that are still up. */
  #announced = 0;

  constructor(parts: NicParts) {
    super(parts);
    const r = this.registers;
    for (const ring of [0, 1]) {
      this.defineReceiveRing(ring, this.receiveRings[ring]!);
      this.defineTransmitRing(ring, this.transmitRings[ring]!);
      r.define(`RXDCTL[${ring}]`, this.receiveRings[ring]!.control, 'rw', { reset: 0x0101_0000 });
      r.define(`TXDCTL[${ring}]`, this.transmitRings[ring]!.control, 'rw', { reset: 1 << 22 });
      r.define(`TARC[${ring}]`, X.TARC + 0x100 * ring, 'rw', { reset: 0x403 });
    }
    for (const name of ['AIT', 'EXTCNF_CTRL', 'EXTCNF_SIZE', 'POEMB', 'PBS', 'EEMNGCTL', 'PSRCTL'] as const) {
      r.define(name, X[name], 'rw', name === 'EEMNGCTL' ? { reset: 1 << 18 } : {});
    }
    for (const name of ['RDTR', 'RADV', 'RSRPD', 'RAID', 'TIDV', 'TADV', 'GCR2', 'ITR', 'KUMCTRLSTA', 'IAM'] as const) {
      r.define(name, X[name], 'rw');
    }
    for (let i = 0; i < VECTORS; i += 1) r.define(`EITR[${i}]`, X.EITR + 4 * i, 'rw');
    r.define('IVAR', X.IVAR, 'rw');
    r.define('EIAC', X.EIAC, 'rw', { write: (value) => r.set(X.EIAC, value & 0x01f0_0000) });
    r.define('ICR', X.ICR, 'rw', { read: () => this.#readCauses(), write: (value) => this.#writeCauses(value) });
    r.define('ICS', X.ICS, 'rw', { read: () => r.get(X.ICR), write: (value) => this.#cause(value) });
    r.define('IMS', X.IMS, 'rw', { write: (value) => this.#enable(value) });
    r.define('IMC', X.IMC, 'wo', {
      write: (value) => {
        r.set(X.IMS, r.get(X.IMS) & ~value);
        this.#update();
      },
    });
    this.powerUp();
  }

  /** ICR without the side effects of a read. */
  get causes(): number {
    return this.registers.get(X.ICR);
  }

  /** IMS. */
  get enabled(): number {
    return this.registers.get(X.IMS);
  }

  protected resetChip(): void {
    this.#announced = 0;
    this.#update();
  }

  // ---- rings -----------------------------------------------------------------------------------------------------

  protected receiveEnabled(ring: number): boolean {
    return ring === 0 && (this.registers.get(R.RCTL) & RCTL_EN) !== 0;
  }

  protected transmitEnabled(ring: number): boolean {
    return (this.registers.get(R.TCTL) & TCTL_EN) !== 0 && (this.registers.get(X.TARC + 0x100 * ring) & 0x400) !== 0;
  }

  protected receiveBufferBytes(): number {
    const rctl = this.registers.get(R.RCTL);
    const flexible = (rctl >>> 27) & 0xf;
    if (flexible !== 0) return flexible * 1024;
    const size = (rctl >>> 16) & 3;
    const extended = (rctl & (1 << 25)) !== 0;
    if (extended && size === 0) this.registers.violate('RCTL.BSIZE 00 with BSEX is reserved', '');
    return extended ? [2048, 16384, 8192, 4096][size]! : [2048, 1024, 512, 256][size]!;
  }

  protected longestReceiveBytes(): number {
    return (this.registers.get(R.RCTL) & 0x20) !== 0 ? 9234 : 1522;
  }

  protected parseTransmit(words: Uint32Array): TransmitDescriptor {
    const control = words[2]!;
    const extended = (control & (1 << 29)) !== 0;
    const type = (control >>> 20) & 0xf;
    const common = {
      address: words[0]! + words[1]! * 0x1_0000_0000,
      endOfPacket: (control & (1 << 24)) !== 0,
      reportStatus: (control & (1 << 27)) !== 0,
      insertFcs: (control & (1 << 25)) !== 0,
      payloadBytes: -1,
    };
    if ((words[3]! & 1) !== 0) this.registers.violate('transmit descriptor handed over with DD still set', '');
    if (!extended) return { ...common, kind: 'data', lengthBytes: control & 0xffff };
    if (type === 0) return { ...common, kind: 'context', lengthBytes: control & 0xf_ffff };
    return { ...common, kind: type === 1 ? 'data' : 'bad', lengthBytes: control & 0xf_ffff };
  }

  protected writeBackTransmit(words: Uint32Array): void {
    words[3] = (words[3]! & ~0xf) | 1;
  }

  protected errorBits(error: FrameError): number {
    return error === 'crc' ? RXD.CE : error === 'symbol' ? RXD.SE : RXD.RXE;
  }

  // ---- interrupts ------------------------------------------------------------------------------------------------

  protected causeReceive(ring: number, belowThreshold: boolean): void {
    if ((this.registers.get(R.RFCTL) & (1 << 15)) === 0) {
      this.registers.violate('extended descriptors without RFCTL.EXSTEN', 'frame written back');
    }
    this.#cause(I.RXT0 | (ring === 0 ? I.RXQ0 : I.RXQ1) | (belowThreshold ? I.RXDMT0 : 0));
  }

  protected causeTransmit(rings: number, empty: boolean): void {
    this.#cause(I.TXDW | (empty ? I.TXQE : 0) | ((rings & 1) !== 0 ? I.TXQ0 : 0) | ((rings & 2) !== 0 ? I.TXQ1 : 0));
  }

  protected causeLink(): void {
    this.#cause(I.LSC);
  }

  protected causeMdio(): void {
    this.#cause(I.MDAC);
  }

  protected causeOverrun(): void {
    this.#cause(I.RXO);
  }

  protected intervalUs(vector: number): number {
    return (this.registers.get(X.EITR + 4 * vector) & 0xffff) * 0.256;
  }

  #cause(bits: number): void {
    this.registers.set(X.ICR, (this.registers.get(X.ICR) | bits) >>> 0);
    this.#update();
  }

  #enable(value: number): void {
    const r = this.registers;
    r.set(X.IMS, (r.get(X.IMS) | value) >>> 0);
    if (this.interrupts.kind === 'msix' && (r.get(R.CTRL_EXT) & CTRL_EXT.PBA_SUPPORT) !== 0) {
      // PBA_CLR: writing IMS takes back the pending bit of the vector, so a masked entry loses its message.
      for (const [bit, entry] of this.#entries()) {
        if ((value & bit) !== 0 && (entry & 8) !== 0) this.interrupts.clearPending(entry & 7);
      }
    }
    this.#update();
  }

  #entries(): Array<readonly [number, number]> {
    const ivar = this.registers.get(X.IVAR);
    return [
      [I.RXQ0, ivar & 0xf],
      [I.RXQ1, (ivar >>> 4) & 0xf],
      [I.TXQ0, (ivar >>> 8) & 0xf],
      [I.TXQ1, (ivar >>> 12) & 0xf],
      [I.OTHER, (ivar >>> 16) & 0xf],
    ];
  }

  /** Recomputes INT_ASSERTED, the line, and the messages that are due. */
  #update(): void {
    const r = this.registers;
    const kind = this.interrupts.kind;
    let icr = r.get(X.ICR) & ~I.INT_ASSERTED;
    if (kind === 'msix' && (icr & OTHER_CAUSES & (this.quirks.icrReadKeepsInMsix ? -1 : r.get(X.IMS))) !== 0) {
      icr |= I.OTHER;
    }
    const active = icr & r.get(X.IMS);
    const asserted = this.quirks.icrReadKeepsInMsix ? icr !== 0 : active !== 0;
    r.set(X.ICR, (icr | (asserted ? I.INT_ASSERTED : 0)) >>> 0);
    this.#announced &= active;
    if (kind === 'line') {
      this.interrupts.drive(active !== 0);
      return;
    }
    const fresh = active & ~this.#announced;
    if (fresh === 0) return;
    this.#announced |= fresh;
    if (kind === 'msi') this.send(0);
    else this.#messages(fresh);
  }

  #messages(fresh: number): void {
    const r = this.registers;
    for (const [bit, entry] of this.#entries()) {
      if ((fresh & bit) === 0) continue;
      if ((entry & 8) === 0) {
        r.violate('interrupt cause enabled without a valid IVAR entry', `cause 0x${bit.toString(16)}`);
        continue;
      }
      if ((entry & 7) >= VECTORS) {
        r.violate('IVAR names a vector the chip does not have', `${entry & 7}`);
        continue;
      }
      this.send(entry & 7);
      const cleared = r.get(X.EIAC) & bit;
      r.set(X.ICR, (r.get(X.ICR) & ~cleared) >>> 0);
      this.#announced &= ~cleared;
      if (this.quirks.eiacClearsIms && (r.get(R.CTRL_EXT) & CTRL_EXT.IAME) === 0) r.set(X.IMS, r.get(X.IMS) & ~cleared);
      if (this.quirks.autoMask && (r.get(R.CTRL_EXT) & CTRL_EXT.EIAME) !== 0) {
        r.set(X.IMS, r.get(X.IMS) & ~(r.get(X.IAM) & bit));
      }
    }
  }

  #readCauses(): number {
    const r = this.registers;
    const value = r.get(X.ICR);
    const iame = (r.get(R.CTRL_EXT) & CTRL_EXT.IAME) !== 0;
    const asserted = (value & I.INT_ASSERTED) !== 0;
    const msix = this.interrupts.kind === 'msix';
    const clears = r.get(X.IMS) === 0 || (asserted && (iame || !(msix && this.quirks.icrReadKeepsInMsix)));
    if (asserted && iame) r.set(X.IMS, r.get(X.IMS) & ~r.get(X.IAM));
    if (clears) r.set(X.ICR, 0);
    this.#update();
    return value;
  }

  #writeCauses(value: number): void {
    const r = this.registers;
    let icr = r.get(X.ICR);
    if ((icr & I.INT_ASSERTED) !== 0 && (r.get(R.CTRL_EXT) & CTRL_EXT.IAME) !== 0) {
      r.set(X.IMS, r.get(X.IMS) & ~r.get(X.IAM));
    }
    icr &= ~value;
    if ((value & I.OTHER) !== 0 && this.quirks.icrReadKeepsInMsix) icr &= ~OTHER_CAUSES;
    r.set(X.ICR, icr >>> 0);
    this.#update();
  }
}
