/**
 * Drives a simulated NIC by registers alone, without any miniport: what the tests of the simulation itself need.
 * Layer: test/unit/sim. Offsets come from the simulation's own table.
 * Invariant: the shortest bring-up that both data sheets allow, on queue 0 with 16 descriptors.
 */
import type { Bar, DmaArena } from '../../../src/platform/index.ts';
import { createSim, E1000E, IGB, COMMON as R, type Sim, type SimOptions } from '../../../src/sim/index.ts';

export const RING = 16;
const BUFFER_BYTES = 2048;

/** A NIC with its rings up. */
export interface Bare {
  readonly sim: Sim;
  readonly bar: Bar;
  readonly memory: DmaArena;
  readonly receiveWords: Uint32Array;
  readonly transmitWords: Uint32Array;
  receiveIova(index: number): number;
  receiveBytes(index: number): Uint8Array;
  /** Posts one transmit descriptor per piece and rings the doorbell. */
  transmit(...pieces: Uint8Array[]): void;
  offset(name: 'RDT' | 'TDT' | 'RDH' | 'TDH'): number;
}

const BASES = { igb: { rx: 0xc000, tx: 0xe000 }, e1000e: { rx: 0x2800, tx: 0x3800 } } as const;

/** Maps, resets, fills the rings, brings the link up, switches both directions on. */
export async function bringUp(options: SimOptions): Promise<Bare> {
  const sim = createSim(options);
  const bar = sim.pci.mapBar(0);
  const memory = sim.pci.allocateDma(4096 * 2 + 2 * RING * BUFFER_BYTES);
  const { rx, tx } = BASES[options.chip];
  const receiveIova = (index: number) => memory.iova + 8192 + index * BUFFER_BYTES;
  const transmitAt = (index: number) => 8192 + (RING + index) * BUFFER_BYTES;
  const receiveWords = new Uint32Array(memory.bytes.buffer, 0, 4 * RING);
  const transmitWords = new Uint32Array(memory.bytes.buffer, 4096, 4 * RING);
  bar.write32(R.CTRL, 1 << 26);
  sim.clock.stall(1000);
  sim.pci.setBusMaster(true);
  bar.write32(R.CTRL, 0x41); // SLU, FD
  bar.write32(R.MDIC, 0x0420_1340); // PHY 1, register 0: restart autonegotiation
  await sim.advance(600);
  for (let i = 0; i < 128; i += 1) bar.write32(R.MTA + 4 * i, 0);
  for (const [base, at] of [
    [rx, 0],
    [tx, 4096],
  ] as const) {
    bar.write32(base, memory.iova + at);
    bar.write32(base + 4, 0);
    bar.write32(base + 8, RING * 16);
    bar.write32(base + 0x10, 0);
    bar.write32(base + 0x18, 0);
  }
  if (options.chip === 'igb') {
    bar.write32(rx + 0x0c, (1 << 25) | 2);
    bar.write32(rx + 0x28, 1 << 25);
    bar.write32(tx + 0x28, 1 << 25);
  } else {
    bar.write32(R.RFCTL, 1 << 15);
  }
  for (let i = 0; i < RING; i += 1) receiveWords[4 * i] = receiveIova(i);
  bar.write32(R.TCTL, 0x0a);
  bar.write32(R.RCTL, (1 << 26) | (1 << 15) | 2);
  bar.write32(rx + 0x18, RING - 1);
  let tail = 0;
  return {
    sim,
    bar,
    memory,
    receiveWords,
    transmitWords,
    receiveIova,
    receiveBytes: (index) => memory.bytes.subarray(8192 + index * BUFFER_BYTES, 8192 + (index + 1) * BUFFER_BYTES),
    transmit: (...pieces) => {
      const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
      for (const [i, piece] of pieces.entries()) {
        memory.bytes.set(piece, transmitAt(tail));
        const last = i === pieces.length - 1;
        const type = options.chip === 'igb' ? 3 : 1;
        transmitWords[4 * tail] = memory.iova + transmitAt(tail);
        transmitWords[4 * tail + 1] = 0;
        transmitWords[4 * tail + 2] =
          piece.length | (type << 20) | (1 << 29) | (1 << 25) | (last ? (1 << 24) | (1 << 27) : 0);
        transmitWords[4 * tail + 3] = options.chip === 'igb' ? total << 14 : 0;
        tail = (tail + 1) % RING;
      }
      bar.write32(tx + 0x18, tail);
    },
    offset: (name) => (name[0] === 'R' ? rx : tx) + (name.endsWith('H') ? 0x10 : 0x18),
  };
}

/** Routes receive, transmit and other causes to vectors 0, 1 and 2 and enables them. */
export function routeMsix(bare: Bare): void {
  const { bar, sim } = bare;
  clearOther(bare);
  if (sim.chip === 'igb') {
    bar.write32(IGB.GPIE, (1 << 4) | (1 << 30) | (1 << 31) | 1);
    bar.write32(IGB.EIAC, 7);
    bar.write32(IGB.IVAR, 0x8180);
    bar.write32(IGB.IVAR_MISC, 0x8200);
    bar.write32(IGB.EIMS, 7);
    bar.write32(IGB.IMS, 4);
  } else {
    bar.write32(E1000E.IVAR, 8 | (9 << 8) | (10 << 16));
    bar.write32(E1000E.EIAC, 0x01f0_0000);
    bar.write32(E1000E.IMS, 0x0150_0004);
  }
}

/** Clears the link and other causes, which EIAC does not cover. */
export function clearOther(bare: Bare): void {
  bare.bar.write32(bare.sim.chip === 'igb' ? IGB.ICR : E1000E.ICR, 0x0100_0344);
}

/** Opens the device's mask for all three causes again. */
export function rearm(bare: Bare): void {
  if (bare.sim.chip === 'igb') bare.bar.write32(IGB.EIMS, 7);
  else bare.bar.write32(E1000E.IMS, 0x0150_0004);
}

/** Sets the receive cause by software. */
export function fireReceive(bare: Bare): void {
  if (bare.sim.chip === 'igb') bare.bar.write32(IGB.EICS, 1);
  else bare.bar.write32(E1000E.ICS, 1 << 20);
}

/** An Ethernet frame with a recognisable payload. */
export function frame(destination: Uint8Array, length: number, seed = 1): Uint8Array {
  const out = new Uint8Array(length);
  out.set(destination);
  out.set([2, 0, 0, 0, 0, 9], 6);
  out[12] = 0x88;
  out[13] = 0xb5;
  for (let i = 14; i < length; i += 1) out[i] = (seed + i) & 0xff;
  return out;
}

export const BROADCAST = new Uint8Array(6).fill(0xff);
