/**
 * A NIC whose device side is played by the benchmark: the real miniport and the real NDIS layer run on it, and the
 * benchmark writes descriptors back as the data sheets say (82574 3.2.6, 82576 7.1). Layer: test/bench.
 * Bring-up goes to the simulated NIC; from play() on registers are inert, so that what is measured is ours.
 * Invariant: after play() nothing here allocates.
 */
import { builtInMiniport } from '../../src/miniports/index.ts';
import {
  type Adapter,
  loadDriver,
  NDIS_PACKET_TYPE_BROADCAST,
  NDIS_PACKET_TYPE_DIRECTED,
} from '../../src/ndis/index.ts';
import type { Bar, InterruptKind, InterruptListener, InterruptVectors, PciFunction } from '../../src/platform/index.ts';
import { type Chip, createSim, redirectSleep, type Sim, type SimPciFunction } from '../../src/sim/index.ts';

/** Offsets of queue 0 (82574 10.2.5 and 10.2.6, 82576 8.10 and 8.12). */
const RINGS = {
  e1000e: { RDBAL: 0x2800, RDLEN: 0x2808, RDT: 0x2818, TDBAL: 0x3800, TDLEN: 0x3808, TDT: 0x3818 },
  igb: { RDBAL: 0xc000, RDLEN: 0xc008, RDT: 0xc018, TDBAL: 0xe000, TDLEN: 0xe008, TDT: 0xe018 },
} as const;

const DESCRIPTOR_WORDS = 4;
const RX_DD_EOP = 3;
const TX_DD = 1;
/** STATUS: full duplex, link up, 1000 Mbit/s: what a running NIC answers (82574 10.2.2.2). */
const STATUS_RUNNING = 0x83;

class PlayedBar implements Bar {
  readonly lengthBytes: number;
  readonly #bar: Bar;
  readonly #written: Map<number, number>;
  playing = false;

  constructor(bar: Bar, written: Map<number, number>) {
    this.#bar = bar;
    this.#written = written;
    this.lengthBytes = bar.lengthBytes;
  }

  read32(offset: number): number {
    return this.playing ? STATUS_RUNNING : this.#bar.read32(offset);
  }

  write32(offset: number, value: number): void {
    if (this.playing) return;
    this.#written.set(offset, value);
    this.#bar.write32(offset, value);
  }

  read16(offset: number): number {
    return this.#bar.read16(offset);
  }

  write16(offset: number, value: number): void {
    this.#bar.write16(offset, value);
  }

  read8(offset: number): number {
    return this.#bar.read8(offset);
  }

  write8(offset: number, value: number): void {
    this.#bar.write8(offset, value);
  }

  unmap(): void {
    this.playing = false;
    this.#bar.unmap();
  }
}

/** The simulated function with its registers and interrupts on a switch. */
class PlayedFunction implements PciFunction {
  readonly #pci: SimPciFunction;
  readonly written = new Map<number, number>();
  readonly mapped: PlayedBar[] = [];
  listener: InterruptListener = () => {};

  constructor(pci: SimPciFunction) {
    this.#pci = pci;
  }

  get address(): PciFunction['address'] {
    return this.#pci.address;
  }
  get ids(): PciFunction['ids'] {
    return this.#pci.ids;
  }
  get bars(): PciFunction['bars'] {
    return this.#pci.bars;
  }
  get interruptCounts(): PciFunction['interruptCounts'] {
    return this.#pci.interruptCounts;
  }
  onRemovalRequest: (() => void) | undefined = undefined;
  onDeviceError: (() => void) | undefined = undefined;

  readConfig(offset: number, into: Uint8Array): number {
    return this.#pci.readConfig(offset, into);
  }
  writeConfig(offset: number, from: Uint8Array): number {
    return this.#pci.writeConfig(offset, from);
  }
  mapBar(index: number): Bar {
    const bar = new PlayedBar(this.#pci.mapBar(index), this.written);
    this.mapped.push(bar);
    return bar;
  }
  enableInterrupts(kind: InterruptKind, count: number, listener: InterruptListener): InterruptVectors {
    this.listener = listener;
    return this.#pci.enableInterrupts(kind, count, listener);
  }
  allocateDma(lengthBytes: number): ReturnType<PciFunction['allocateDma']> {
    return this.#pci.allocateDma(lengthBytes);
  }
  setBusMaster(on: boolean): void {
    this.#pci.setBusMaster(on);
  }
  reset(): 'done' | 'unsupported' {
    return this.#pci.reset();
  }
  close(): void {
    this.#pci.close();
  }
}

/** One descriptor ring, seen from the device. */
class PlayedRing {
  readonly words: Uint32Array;
  readonly mask: number;
  head = 0;

  constructor(sim: Sim, iova: number, lengthBytes: number) {
    const arena = sim.memory.arenas.find((one) => iova >= one.iova && iova < one.iova + one.lengthBytes);
    if (arena === undefined) throw new Error(`no DMA memory at 0x${iova.toString(16)}`);
    this.words = new Uint32Array(arena.bytes.buffer, arena.bytes.byteOffset + iova - arena.iova, lengthBytes / 4);
    this.mask = lengthBytes / 16 - 1;
  }
}

export class PlayedDevice {
  readonly adapter: Adapter;
  readonly #function: PlayedFunction;
  readonly #receive: PlayedRing;
  readonly #transmit: PlayedRing;

  private constructor(adapter: Adapter, played: PlayedFunction, sim: Sim) {
    this.adapter = adapter;
    this.#function = played;
    const offsets = RINGS[sim.chip];
    const ring = (base: number, length: number, tail: number): PlayedRing => {
      const made = new PlayedRing(sim, played.written.get(base) ?? 0, played.written.get(length) ?? 0);
      made.head = 0;
      if (!played.written.has(tail)) throw new Error('the miniport never wrote a tail');
      return made;
    };
    this.#receive = ring(offsets.RDBAL, offsets.RDLEN, offsets.RDT);
    this.#transmit = ring(offsets.TDBAL, offsets.TDLEN, offsets.TDT);
  }

  /**
   * Brings an adapter to Running on the simulated NIC, then takes the device's part.
   * @param dpcBudget frames a DPC may indicate.
   */
  static async open(chip: Chip, dpcBudget: number): Promise<PlayedDevice> {
    const sim = createSim({ chip });
    const played = new PlayedFunction(sim.pci);
    const builtIn = builtInMiniport(sim.pci.ids);
    if (builtIn === undefined) throw new Error(`no miniport drives the simulated ${chip}`);
    const driver = await loadDriver(builtIn.module);
    const adapter = driver.createAdapter(played, {
      clock: sim.clock,
      dpcBudget,
      checkForHang: false,
      configuration: { '*ReceiveBuffers': 1024, '*TransmitBuffers': 1024 },
    });
    const realSleep = redirectSleep(sim.clock);
    await sim.run(adapter.initialize());
    await sim.run(adapter.setPacketFilter(NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_BROADCAST));
    await sim.run(adapter.restart());
    await sim.advance(5000);
    await sim.settle();
    realSleep();
    for (const bar of played.mapped) bar.playing = true;
    return new PlayedDevice(adapter, played, sim);
  }

  /** The device has written `frames` frames of `lengthBytes` into the receive ring. */
  receive(frames: number, lengthBytes: number): void {
    const { words, mask } = this.#receive;
    let head = this.#receive.head;
    for (let n = 0; n < frames; n++) {
      const at = head * DESCRIPTOR_WORDS;
      words[at + 3] = lengthBytes;
      words[at + 2] = RX_DD_EOP;
      head = (head + 1) & mask;
    }
    this.#receive.head = head;
  }

  /** The device has sent `frames` single-descriptor frames. */
  transmit(frames: number): void {
    const { words, mask } = this.#transmit;
    let head = this.#transmit.head;
    for (let n = 0; n < frames; n++) {
      words[head * DESCRIPTOR_WORDS + 3] = TX_DD;
      head = (head + 1) & mask;
    }
    this.#transmit.head = head;
  }

  /** Message n arrives: what the platform calls on a wake-up. */
  interrupt(message: number): void {
    this.#function.listener(message, 1);
  }

  /** Lets go of the simulated function; the adapter is not halted, the process ends soon. */
  close(): void {
    this.#function.close();
  }
}
