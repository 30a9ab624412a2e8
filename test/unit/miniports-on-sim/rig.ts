/**
 * A miniport on a simulated NIC, with a protocol above and a tester on the wire. Layer: test/unit/miniports-on-sim.
 * Invariants: everything a protocol sees is recorded; every NBL sent is expected back exactly once; clean() is the
 * common end of a test: no rule of the data sheet, of DMA or of NDIS was broken.
 */
import { afterEach, expect, vi } from 'vitest';
import {
  type Adapter,
  type AdapterFault,
  type AdapterLogEntry,
  type AdapterOptions,
  type Driver,
  formatViolation,
  loadDriver,
  type MDL,
  NDIS_CONNECT_LINE_BASED,
  NDIS_DEFAULT_PORT_NUMBER,
  type NDIS_HANDLE,
  type NDIS_LINK_STATE,
  NDIS_OBJECT_TYPE_DEFAULT,
  NDIS_PACKET_TYPE_BROADCAST,
  NDIS_PACKET_TYPE_DIRECTED,
  NDIS_RECEIVE_FLAGS_RESOURCES,
  type NDIS_STATUS,
  NDIS_STATUS_SUCCESS,
  NdisAllocateNetBufferAndNetBufferList,
  NdisAllocateNetBufferListPool,
  NdisOpenAdapterEx,
  NdisReturnNetBufferLists,
  NdisSendNetBufferLists,
  type NET_BUFFER_LIST,
  out,
  type VerifierMode,
} from '../../../src/ndis/index.ts';
import type { InterruptKind } from '../../../src/platform/index.ts';
import {
  type Chip,
  createSim,
  E1000E,
  IGB,
  type Profile,
  redirectSleep,
  type Sim,
  type SimOptions,
} from '../../../src/sim/index.ts';

/** Every chip by the data sheet and by QEMU. */
export const CASES: ReadonlyArray<readonly [Chip, Profile]> = [
  ['e1000e', 'datasheet'],
  ['e1000e', 'qemu'],
  ['igb', 'datasheet'],
  ['igb', 'qemu'],
];

export interface RigOptions extends Partial<Omit<SimOptions, 'chip'>> {
  readonly interrupts?: InterruptKind;
  readonly messageLimit?: number;
  readonly dpcBudget?: number;
  readonly checkForHang?: boolean;
  readonly configuration?: Readonly<Record<string, string | number>>;
  /** Default: `throw`. */
  readonly verifier?: VerifierMode;
}

/** A frame as the protocol saw it. */
export interface Received {
  readonly bytes: Uint8Array;
  readonly flags: number;
}

export class Rig {
  readonly sim: Sim;
  readonly driver: Driver;
  readonly adapter: Adapter;
  readonly received: Received[] = [];
  /** Sizes of the indications. */
  readonly batches: number[] = [];
  /** Called at each indication. */
  onBatch: (() => void) | undefined;
  /** True: the protocol keeps what it may keep. */
  holding = false;
  readonly held: NET_BUFFER_LIST[] = [];
  /** Status of each completed send, in order of completion. */
  readonly completed: NDIS_STATUS[] = [];
  readonly links: NDIS_LINK_STATE[] = [];
  readonly logs: AdapterLogEntry[] = [];
  readonly faults: AdapterFault[] = [];
  readonly resets: NDIS_STATUS[] = [];
  hangs = 0;
  sent = 0;
  /** Completions of an NBL that was not out. */
  strangers = 0;
  /** False with a second adapter on the same clock. */
  #alone: boolean;
  #binding: NDIS_HANDLE | null = null;
  #pool: NDIS_HANDLE | null;
  #out = new Set<NET_BUFFER_LIST>();

  constructor(sim: Sim, driver: Driver, options: AdapterOptions, alone: boolean) {
    this.sim = sim;
    this.#alone = alone;
    this.driver = driver;
    this.adapter = driver.createAdapter(sim.pci, options);
    this.adapter.onLink((state) => this.links.push({ ...state }));
    this.adapter.onLog((entry) => this.logs.push(entry));
    this.adapter.onFault((fault) => this.faults.push(fault));
    this.adapter.onReset((status) => this.resets.push(status));
    this.adapter.onHang(() => {
      this.hangs += 1;
    });
    this.#pool = NdisAllocateNetBufferListPool(null, {
      Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: 20 },
      ProtocolId: 0,
      fAllocateNetBuffer: true,
      ContextSize: 0,
      PoolTag: 0,
      DataSize: 0,
    });
  }

  get binding(): NDIS_HANDLE {
    if (this.#binding === null) throw new Error('The rig is not bound');
    return this.#binding;
  }

  /** Sends that are not complete. */
  get outstanding(): number {
    return this.#out.size;
  }

  run<T>(promise: Promise<T>, limitMs?: number): Promise<T> {
    return this.sim.run(promise, limitMs);
  }

  async initialize(): Promise<void> {
    await this.run(this.adapter.initialize());
  }

  bind(): void {
    const handle = out<NDIS_HANDLE | null>(null);
    const status = NdisOpenAdapterEx(
      this.adapter,
      {
        ReceiveNetBufferListsHandler: (_context, chain, _port, count, flags) => this.#receive(chain, count, flags),
        SendNetBufferListsCompleteHandler: (_context, chain) => this.#complete(chain),
      },
      null,
      handle,
    );
    expect(status).toBe(NDIS_STATUS_SUCCESS);
    this.#binding = handle.Value;
  }

  /** Initialize, bind, restart, open the filter, wait for the link. */
  async start(filter = NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_BROADCAST): Promise<void> {
    await this.initialize();
    this.bind();
    await this.run(this.adapter.restart());
    await this.run(this.adapter.setPacketFilter(filter));
    await this.sim.advance(1500);
  }

  /** Pause and halt, from whatever state. */
  async stop(): Promise<void> {
    this.giveBack();
    if (this.adapter.state === 'Running') await this.run(this.adapter.pause());
    if (this.adapter.state === 'Paused') await this.run(this.adapter.halt());
  }

  /** Makes one NBL of a frame in one or more pieces; pieces may lie anywhere. */
  make(...pieces: readonly Uint8Array[]): NET_BUFFER_LIST {
    let chain: MDL | null = null;
    for (const piece of [...pieces].reverse()) {
      chain = { Next: chain, StartVa: piece, ByteOffset: 0, ByteCount: piece.length, PhysicalAddress: 0 };
    }
    return this.makeOf(
      chain,
      pieces.reduce((sum, piece) => sum + piece.length, 0),
    );
  }

  /** As {@link make}, of an MDL chain. */
  makeOf(chain: MDL | null, length: number, dataOffset = 0): NET_BUFFER_LIST {
    const nbl = NdisAllocateNetBufferAndNetBufferList(this.#pool!, 0, 0, chain, dataOffset, length);
    if (nbl === null) throw new Error('No NBL');
    return nbl;
  }

  /** Sends NBLs as one chain. */
  sendLists(lists: readonly NET_BUFFER_LIST[]): void {
    for (const [i, nbl] of lists.entries()) {
      nbl.Next = lists[i + 1] ?? null;
      this.#out.add(nbl);
      this.sent += 1;
    }
    const first = lists[0];
    if (first !== undefined) NdisSendNetBufferLists(this.binding, first, NDIS_DEFAULT_PORT_NUMBER, 0);
  }

  /** Sends frames, each in one piece, as one chain. */
  send(...frames: readonly Uint8Array[]): void {
    this.sendLists(frames.map((one) => this.make(one)));
  }

  /** Returns what the protocol kept. */
  giveBack(count = Number.POSITIVE_INFINITY): void {
    const some = this.held.splice(0, Math.min(count, this.held.length));
    for (const [i, nbl] of some.entries()) nbl.Next = some[i + 1] ?? null;
    if (some[0] !== undefined) NdisReturnNetBufferLists(this.binding, some[0], 0);
  }

  /** Frames received so far, and forgets them. */
  take(): Uint8Array[] {
    return this.received.splice(0, this.received.length).map((one) => one.bytes);
  }

  /** Sets a message's cause at the device, as software can: EICS on the 82576, ICS on the 82574. */
  fire(message: number): void {
    if (this.sim.chip === 'igb') {
      this.sim.nic.write32(IGB.EICS, 1 << message);
    } else {
      const ivar = this.sim.nic.registers.get(E1000E.IVAR);
      let causes = 0;
      for (const [shift, bit] of [
        [0, 20],
        [8, 22],
        [16, 24],
      ] as const) {
        if (((ivar >>> shift) & 0xf) === (8 | message)) causes |= 1 << bit;
      }
      this.sim.nic.write32(E1000E.ICS, causes);
    }
  }

  /** ISR calls per message. */
  get isrCalls(): number[] {
    return this.adapter.interrupt?.messages.map((one) => one.isrCalls) ?? [];
  }

  get isLine(): boolean {
    return this.adapter.interrupt?.type === NDIS_CONNECT_LINE_BASED;
  }

  /** Nothing was broken. `gaveUp`: the miniport may have asked for its removal, which NDIS reports as a fault. */
  clean(gaveUp = false): void {
    expect(this.sim.broken).toEqual([]);
    expect(this.adapter.violations.map(formatViolation)).toEqual([]);
    const allowed = (message: string) => gaveUp && message.includes('NdisMRemoveMiniport');
    const rules = this.logs.filter((entry) => entry.kind === 'rule' || entry.kind === 'leak');
    expect(this.faults.filter((one) => !allowed(one.message))).toEqual([]);
    expect(rules.filter((one) => !allowed(one.message))).toEqual([]);
    expect(this.strangers).toBe(0);
  }

  /** The device is quiet and everything was given back. */
  released(): void {
    expect(this.sim.pci.held).toEqual([]);
    if (this.#alone) expect(this.sim.clock.softwareTimers).toBe(0);
    if (this.sim.nic.gone === 'no') {
      expect(this.sim.nic.quiet).toBe(true);
      expect(this.sim.nic.enabled).toBe(0);
    }
  }

  #receive(chain: NET_BUFFER_LIST, count: number, flags: number): void {
    let seen = 0;
    for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; nbl = nbl.Next) {
      const nb = nbl.FirstNetBuffer!;
      const mdl = nb.CurrentMdl!;
      const from = mdl.ByteOffset + nb.CurrentMdlOffset;
      this.received.push({ bytes: mdl.StartVa.slice(from, from + nb.DataLength), flags });
      seen += 1;
    }
    expect(seen).toBe(count);
    this.batches.push(count);
    this.onBatch?.();
    if ((flags & NDIS_RECEIVE_FLAGS_RESOURCES) !== 0) return;
    if (this.holding) {
      for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; nbl = nbl.Next) this.held.push(nbl);
    } else {
      NdisReturnNetBufferLists(this.binding, chain, 0);
    }
  }

  #complete(chain: NET_BUFFER_LIST): void {
    for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; nbl = nbl.Next) {
      if (!this.#out.delete(nbl)) this.strangers += 1;
      this.completed.push(nbl.Status);
    }
  }
}

/** A rig in state Halted. */
export async function createRig(chip: Chip, options: RigOptions = {}): Promise<Rig> {
  const { interrupts, messageLimit, dpcBudget, checkForHang, configuration, verifier, ...simOptions } = options;
  const sim = createSim({ chip, ...simOptions });
  return rigOn(sim, { interrupts, messageLimit, dpcBudget, checkForHang, configuration, verifier });
}

// Simulated seconds are cheap, but the machine may be busy with other suites.
vi.setConfig({ testTimeout: 30_000 });

let realSleep: (() => void) | undefined;
afterEach(() => {
  realSleep?.();
  realSleep = undefined;
});

type AdapterChoices = { readonly [K in keyof Omit<AdapterOptions, 'clock'>]?: AdapterOptions[K] | undefined };

/** A rig on an existing machine, for a second adapter on the same device. */
export async function rigOn(sim: Sim, choices: AdapterChoices = {}, alone = true): Promise<Rig> {
  const module =
    sim.chip === 'igb'
      ? await import('../../../src/miniports/igb/miniport.ts')
      : await import('../../../src/miniports/e1000e/miniport.ts');
  const driver = await loadDriver(module);
  realSleep?.();
  realSleep = redirectSleep(sim.clock);
  const given = Object.fromEntries(Object.entries(choices).filter(([, value]) => value !== undefined));
  return new Rig(sim, driver, { clock: sim.clock, verifier: 'throw', ...(given as Partial<AdapterOptions>) }, alone);
}

/** A rig in state Running with the link up. */
export async function startRig(chip: Chip, options: RigOptions = {}): Promise<Rig> {
  const rig = await createRig(chip, options);
  await rig.start();
  return rig;
}

/** An Ethernet frame of the local experimental type whose payload tells its number. */
export function numbered(to: Uint8Array, number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(to);
  bytes.set([0x02, 0, 0, 0, 0, 9], 6);
  bytes[12] = 0x88;
  bytes[13] = 0xb5;
  new DataView(bytes.buffer).setUint32(14, number);
  for (let i = 18; i < length; i += 1) bytes[i] = (number * 7 + i) & 0xff;
  return bytes;
}

/** True when both lists hold the same frames. (Deep equality of a thousand arrays takes seconds.) */
export function sameFrames(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((one, i) => Buffer.compare(one, b[i]!) === 0);
}

/** The numbers of frames made by {@link numbered}. */
export function numbersOf(frames: readonly Uint8Array[]): number[] {
  return frames.map((one) => new DataView(one.buffer, one.byteOffset).getUint32(14));
}

export const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

/** The station on the other end. */
export const PEER = Uint8Array.of(0x02, 0, 0, 0, 0, 9);
export const BROADCAST = new Uint8Array(6).fill(0xff);
