/**
 * The 82576: advanced descriptors, sixteen queues, ten MSI-X vectors for the physical function. Layer: sim.
 * Sections of the 82576 data sheet: interrupts 7.3, registers 8.8, receive descriptors 7.1.5, transmit 7.2.2.
 * Where QEMU's model does otherwise a quirk says so.
 * Invariant: a message goes out only for bits newly set in EICR & EIMS, or in ICR & IMS outside of MSI-X mode.
 */
import { type NicParts, type RingRegisters, RXD, SimNic, type TransmitDescriptor } from './nic.ts';
import { COMMON as R, IGB as X } from './offsets.ts';

/** ICR bits (82576 8.8.8). */
export const ICR_82576 = {
  TXDW: 1 << 0,
  LSC: 1 << 2,
  RXDMT0: 1 << 4,
  RXO: 1 << 6,
  RXDW: 1 << 7,
  MDAC: 1 << 9,
  DRSTA: 1 << 30,
  INT_ASSERTED: 0x8000_0000,
} as const;

const I = ICR_82576;
const GPIE = { NSICR: 1, MSIX_MODE: 1 << 4, EIAME: 1 << 30 };
const EICR_OTHER = 0x8000_0000;
const MSIX_BITS = 0x01ff_ffff;
const ENABLE = 1 << 25;
const RCTL_EN = 2;
const TCTL_EN = 2;
const QUEUES = 16;
const VECTORS = 10;

function ringRegisters(base: number): RingRegisters {
  return { low: base, high: base + 4, length: base + 8, head: base + 0x10, tail: base + 0x18, control: base + 0x28 };
}

/** A simulated 82576, physical function 0. */
export class SimIgb extends SimNic {
  protected readonly receiveRings = Array.from({ length: QUEUES }, (_, i) => ringRegisters(0xc000 + 0x40 * i));
  protected readonly transmitRings = Array.from({ length: QUEUES }, (_, i) => ringRegisters(0xe000 + 0x40 * i));
  protected readonly phyId = [0x02a8, 0x0391] as const;
  protected readonly phyExtra = [16, 17, 18, 19, 25, 31];
  readonly configuration = [
    R.RCTL,
    R.TCTL,
    R.RAL,
    R.RAH,
    X.GPIE,
    X.EIAC,
    X.IVAR,
    X.IVAR_MISC,
    X.RLPML,
    ...Array.from({ length: 128 }, (_, i) => R.MTA + 4 * i),
  ];

  constructor(parts: NicParts) {
    super(parts);
    const r = this.registers;
    for (let q = 0; q < QUEUES; q += 1) {
      const rx = this.receiveRings[q]!;
      const tx = this.transmitRings[q]!;
      this.defineReceiveRing(q, rx);
      this.defineTransmitRing(q, tx);
      r.define(`SRRCTL[${q}]`, rx.low + 0x0c, 'rw', { reset: 0x400 });
      r.define(`RXCTL[${q}]`, rx.low + 0x14, 'rw');
      r.define(`RQDPC[${q}]`, rx.low + 0x30, 'rc');
      r.define(`DVMOLR[${q}]`, rx.low + 0x38, 'rw');
      r.define(`TXCTL[${q}]`, tx.low + 0x14, 'rw');
      r.define(`TDWBAL[${q}]`, tx.low + 0x38, 'rw');
      r.define(`TDWBAH[${q}]`, tx.low + 0x3c, 'rw');
      // ENABLE shows only while the receiver or transmitter as a whole is on.
      r.define(`RXDCTL[${q}]`, rx.control, 'rw', {
        reset: 0x0001_0000 | (q === 0 ? ENABLE : 0),
        read: () => r.get(rx.control) & ((r.get(R.RCTL) & RCTL_EN) !== 0 ? -1 : ~ENABLE),
        write: (value) => {
          r.set(rx.control, value);
          this.busMasterChanged();
        },
      });
      r.define(`TXDCTL[${q}]`, tx.control, 'rw', {
        reset: q === 0 ? ENABLE : 0,
        read: () => r.get(tx.control) & ((r.get(R.TCTL) & TCTL_EN) !== 0 ? -1 : ~ENABLE),
        write: (value) => {
          r.set(tx.control, value);
          this.kickTransmit(q);
        },
      });
      if (q < 4) {
        // Queues 0 to 3 also answer at the places of the older chips.
        for (const offset of [0, 4, 8, 0x0c, 0x10, 0x14, 0x18, 0x28])
          r.alias(0x2800 + 0x100 * q + offset, rx.low + offset);
        for (const offset of [0, 4, 8, 0x10, 0x14, 0x18, 0x28]) r.alias(0x3800 + 0x100 * q + offset, tx.low + offset);
      }
    }
    for (let i = 0; i < 8; i += 1) {
      r.define(`RAL[${16 + i}]`, X.RAL16 + 8 * i, 'rw');
      r.define(`RAH[${16 + i}]`, X.RAL16 + 8 * i + 4, 'rw');
      r.define(`PSRTYPE[${i}]`, X.PSRTYPE + 4 * i, 'rw');
      r.define(`IMIR[${i}]`, X.IMIR + 4 * i, 'rw');
      r.define(`IMIREXT[${i}]`, X.IMIREXT + 4 * i, 'rw');
      r.define(`VMOLR[${i}]`, X.VMOLR + 4 * i, 'rw');
      r.define(`IVAR[${i}]`, X.IVAR + 4 * i, 'rw');
    }
    for (let i = 0; i < 128; i += 1) r.define(`UTA[${i}]`, X.UTA + 4 * i, 'rw');
    for (let i = 0; i < 25; i += 1) r.define(`EITR[${i}]`, X.EITR + 4 * i, 'rw');
    for (const name of ['TCTL_EXT', 'PHPM', 'VFRE', 'VFTE', 'RXPBS', 'QDE', 'SWPBS', 'TXPBS', 'DTXSWC'] as const) {
      r.define(name, X[name], 'rw');
    }
    for (const name of ['DTXCTL', 'RLPML', 'VT_CTL', 'RPLOLR', 'DCA_CTRL', 'IVAR_MISC', 'IAM', 'GPIE'] as const) {
      r.define(name, X[name], 'rw');
    }
    r.define('EEMNGCTL', X.EEMNGCTL, 'rw', { reset: 3 << 18 });
    this.#defineInterrupts();
    this.powerUp();
  }

  #defineInterrupts(): void {
    const r = this.registers;
    const msix = () => (r.get(X.GPIE) & GPIE.MSIX_MODE) !== 0;
    const width = () => (msix() ? MSIX_BITS : 0xc000_ffff);
    r.define('ICR', X.ICR, 'rw', { read: () => this.#readCauses(), write: (value) => this.#lower(X.ICR, value, true) });
    r.define('ICS', X.ICS, 'wo', { write: (value) => this.#raise(X.ICR, value) });
    r.define('IMS', X.IMS, 'rw', { write: (value) => this.#raise(X.IMS, value) });
    r.define('IMC', X.IMC, 'wo', { write: (value) => this.#lower(X.IMS, value, false) });
    r.define('EICR', X.EICR, 'rw', {
      read: () => {
        const value = r.get(X.EICR);
        if (!msix()) this.#lower(X.EICR, 0xffff_ffff, false);
        return value;
      },
      write: (value) => this.#lower(X.EICR, value & width(), false),
    });
    r.define('EICS', X.EICS, 'wo', { write: (value) => this.#raise(X.EICR, value & width()) });
    r.define('EIMS', X.EIMS, 'rw', { write: (value) => this.#raise(X.EIMS, value & width()) });
    r.define('EIMC', X.EIMC, 'wo', { write: (value) => this.#lower(X.EIMS, value & width(), false) });
    r.define('EIAC', X.EIAC, 'rw', {
      write: (value) => {
        // QEMU ignores the write before GPIE's MSI-X mode and afterwards only adds bits.
        if (value === 0) r.set(X.EIAC, this.quirks.autoMask ? 0 : r.get(X.EIAC));
        else if (!msix()) r.violate('EIAC written before GPIE.Multiple_MSIX', `0x${value.toString(16)}`);
        else r.set(X.EIAC, (this.quirks.autoMask ? 0 : r.get(X.EIAC)) | (value & MSIX_BITS));
      },
    });
    r.define('EIAM', X.EIAM, 'rw');
    // The old places of ICR, ICS, IMS and IMC still answer.
    for (const [offset, target] of [
      [0x00c0, X.ICR],
      [0x00c8, X.ICS],
      [0x00d0, X.IMS],
      [0x00d8, X.IMC],
      [0x00e0, X.IAM],
    ] as const) {
      r.alias(offset, target);
    }
  }

  /** ICR without the side effects of a read. */
  get causes(): number {
    return this.registers.get(X.ICR);
  }

  /** EIMS and IMS together: zero when nothing can interrupt. */
  get enabled(): number {
    return (this.registers.get(X.EIMS) | this.registers.get(X.IMS)) >>> 0;
  }

  protected override addressRegisters(): Array<readonly [number, number]> {
    const more = Array.from({ length: 8 }, (_, i) => [X.RAL16 + 8 * i, X.RAL16 + 8 * i + 4] as const);
    return [...super.addressRegisters(), ...more];
  }

  protected resetChip(): void {
    this.#lower(X.ICR, 0, false);
  }

  // ---- rings -----------------------------------------------------------------------------------------------------

  protected receiveEnabled(ring: number): boolean {
    const r = this.registers;
    return (r.get(R.RCTL) & RCTL_EN) !== 0 && (r.get(this.receiveRings[ring]!.control) & ENABLE) !== 0;
  }

  protected transmitEnabled(ring: number): boolean {
    const r = this.registers;
    return (r.get(R.TCTL) & TCTL_EN) !== 0 && (r.get(this.transmitRings[ring]!.control) & ENABLE) !== 0;
  }

  protected receiveBufferBytes(ring: number): number {
    const srrctl = this.registers.get(this.receiveRings[ring]!.low + 0x0c);
    if (((srrctl >>> 25) & 7) !== 1) {
      this.registers.violate('SRRCTL.DESCTYPE is not advanced, one buffer', `${(srrctl >>> 25) & 7}`);
    }
    const kilobytes = srrctl & 0x7f;
    if (kilobytes !== 0) return kilobytes * 1024;
    return [2048, 1024, 512, 256][(this.registers.get(R.RCTL) >>> 16) & 3]!;
  }

  protected longestReceiveBytes(): number {
    if ((this.registers.get(R.RCTL) & 0x20) === 0) return 1522;
    return this.registers.get(X.RLPML) === 0 ? 9728 : this.registers.get(X.RLPML);
  }

  protected parseTransmit(words: Uint32Array): TransmitDescriptor {
    const control = words[2]!;
    const type = (control >>> 20) & 0xf;
    if ((words[3]! & 1) !== 0) this.registers.violate('transmit descriptor handed over with DD still set', '');
    const known = (control & (1 << 29)) !== 0;
    return {
      kind: !known ? 'bad' : type === 3 ? 'data' : type === 2 ? 'context' : 'bad',
      address: words[0]! + words[1]! * 0x1_0000_0000,
      lengthBytes: control & 0xffff,
      endOfPacket: (control & (1 << 24)) !== 0,
      reportStatus: (control & (1 << 27)) !== 0,
      insertFcs: (control & (1 << 25)) !== 0,
      payloadBytes: words[3]! >>> 14,
    };
  }

  protected writeBackTransmit(words: Uint32Array): void {
    // The whole descriptor is replaced: only STA stays meaningful (82576 7.2.2.4).
    words[0] = 0;
    words[1] = 0;
    words[2] = 0;
    words[3] = 1;
  }

  /** The advanced format has one bit for all MAC errors (82576 7.1.5.2). */
  protected errorBits(): number {
    return RXD.RXE;
  }

  // ---- interrupts ------------------------------------------------------------------------------------------------

  protected causeReceive(ring: number, belowThreshold: boolean): void {
    this.#raise(X.EICR, this.#queueBit(ring, 0));
    this.#raise(X.ICR, I.RXDW | (belowThreshold ? I.RXDMT0 : 0));
  }

  protected causeTransmit(rings: number): void {
    let bits = 0;
    for (let q = 0; q < QUEUES; q += 1) if ((rings & (1 << q)) !== 0) bits |= this.#queueBit(q, 8);
    this.#raise(X.EICR, bits);
    this.#raise(X.ICR, I.TXDW);
  }

  protected causeLink(): void {
    this.#raise(X.ICR, I.LSC);
  }

  protected causeMdio(): void {
    this.#raise(X.ICR, I.MDAC);
  }

  protected causeOverrun(): void {
    this.#raise(X.ICR, I.RXO);
  }

  protected intervalUs(vector: number): number {
    return (this.registers.get(X.EITR + 4 * vector) >>> 2) & 0x1fff;
  }

  /** The EICR bit of a queue's cause by IVAR (82576 8.8.15): rx at bit 0, tx at bit 8, queues from 8 on 16 higher. */
  #queueBit(queue: number, shift: number): number {
    const entry = (this.registers.get(X.IVAR + 4 * (queue & 7)) >>> (shift + (queue > 7 ? 16 : 0))) & 0xff;
    return (entry & 0x80) === 0 ? 0 : 1 << (entry & 0x1f);
  }

  #raise(register: number, bits: number): void {
    const r = this.registers;
    const oldCauses = r.get(X.ICR) & r.get(X.IMS);
    const oldExtended = r.get(X.EICR) & r.get(X.EIMS);
    r.set(register, (r.get(register) | bits) >>> 0);
    const fresh = r.get(X.ICR) & r.get(X.IMS) & ~oldCauses & ~I.INT_ASSERTED;
    if ((r.get(X.GPIE) & GPIE.MSIX_MODE) !== 0) {
      const misc = (r.get(X.IVAR_MISC) >>> 8) & 0xff;
      if (fresh !== 0) {
        if ((misc & 0x80) === 0) r.violate('other cause enabled without a valid IVAR_MISC entry', '');
        else r.set(X.EICR, (r.get(X.EICR) | (1 << (misc & 0x1f))) >>> 0);
      }
      const due = r.get(X.EICR) & r.get(X.EIMS) & ~oldExtended;
      for (let vector = 0; vector < 25; vector += 1) if ((due & (1 << vector)) !== 0) this.#message(vector);
      return;
    }
    this.#assert();
    if (fresh === 0) return;
    r.set(X.EICR, (r.get(X.EICR) | EICR_OTHER) >>> 0);
    if (this.interrupts.kind === 'line') this.interrupts.drive(true);
    else this.send(0);
  }

  #message(vector: number): void {
    const r = this.registers;
    if (vector >= VECTORS) {
      r.violate('vector the physical function does not have', `${vector}`);
      return;
    }
    const bit = 1 << vector;
    this.send(vector);
    r.set(X.EICR, (r.get(X.EICR) & ~(r.get(X.EIAC) & bit)) >>> 0);
    if (this.quirks.autoMask && (r.get(X.GPIE) & GPIE.EIAME) !== 0) {
      r.set(X.EIMS, (r.get(X.EIMS) & ~(r.get(X.EIAM) & bit)) >>> 0);
    }
  }

  #lower(register: number, bits: number, autoMask: boolean): void {
    const r = this.registers;
    if (autoMask) this.#autoMaskByIam();
    r.set(register, (r.get(register) & ~bits) >>> 0);
    if ((r.get(X.GPIE) & GPIE.MSIX_MODE) !== 0) return;
    this.#assert();
    if ((r.get(X.ICR) & r.get(X.IMS) & ~I.INT_ASSERTED) === 0) {
      r.set(X.EICR, (r.get(X.EICR) & ~EICR_OTHER) >>> 0);
      this.interrupts.drive(false);
    }
  }

  #assert(): void {
    const r = this.registers;
    const icr = r.get(X.ICR) & ~I.INT_ASSERTED;
    const asserted = this.quirks.autoMask ? (icr & r.get(X.IMS)) !== 0 : icr !== 0;
    r.set(X.ICR, (icr | (asserted ? I.INT_ASSERTED : 0)) >>> 0);
  }

  #autoMaskByIam(): void {
    const r = this.registers;
    const asserted = r.get(X.IMS) !== 0 && (r.get(X.ICR) & I.INT_ASSERTED) !== 0;
    if ((r.get(X.GPIE) & GPIE.NSICR) !== 0 || asserted) r.set(X.IMS, (r.get(X.IMS) & ~r.get(X.IAM)) >>> 0);
  }

  #readCauses(): number {
    const r = this.registers;
    const value = r.get(X.ICR);
    const clears =
      (r.get(X.GPIE) & GPIE.NSICR) !== 0 ||
      r.get(X.IMS) === 0 ||
      (value & I.INT_ASSERTED) !== 0 ||
      this.interrupts.kind !== 'msix';
    if (clears) this.#lower(X.ICR, 0xffff_ffff, false);
    this.#autoMaskByIam();
    return value;
  }
}
