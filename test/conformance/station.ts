/**
 * An adapter with a protocol bound to it, on one of the two NICs of a target. Layer: test.
 * Invariants: everything the protocol sees is recorded; every NBL sent is expected back exactly once; frames that are not
 * of the suite are counted and otherwise ignored, since a real wire carries others.
 */
import { builtInMiniport } from '../../src/miniports/index.ts';
import {
  type Adapter,
  type AdapterFault,
  type AdapterLogEntry,
  type AdapterOptions,
  type Driver,
  loadDriver,
  type MDL,
  NDIS_DEFAULT_PORT_NUMBER,
  type NDIS_HANDLE,
  type NDIS_LINK_STATE,
  NDIS_OBJECT_TYPE_DEFAULT,
  NDIS_RECEIVE_FLAGS_RESOURCES,
  NDIS_RECEIVE_FLAGS_SINGLE_ETHER_TYPE,
  type NDIS_STATUS,
  NDIS_STATUS_SUCCESS,
  NdisAllocateNetBufferAndNetBufferList,
  NdisAllocateNetBufferListPool,
  NdisCloseAdapterEx,
  NdisFreeNetBufferListPool,
  NdisOpenAdapterEx,
  NdisReturnNetBufferLists,
  NdisSendNetBufferLists,
  type NET_BUFFER_LIST,
  out,
  type SendPool,
  statusName,
} from '../../src/ndis/index.ts';
import type { Clock } from '../../src/platform/index.ts';
import type { FaultyFunction } from './faulty-function.ts';
import { isOurs } from './frames.ts';
import type { Role } from './target.ts';

/** Slots of a station's send pool: more than any row has outstanding. */
const POOL_FRAMES = 512;
/** Slots for frames of the usual MTU: half a page, so that none lies across two. */
const SLOT_BYTES = 2048;
/** Slots for jumbo frames. */
const JUMBO_SLOT_BYTES = 9216;

export type StationOptions = Omit<AdapterOptions, 'clock'>;

export class Station {
  readonly role: Role;
  readonly pci: FaultyFunction;
  readonly driver: Driver;
  readonly adapter: Adapter;
  /** Frames of the suite, copied, in order. */
  readonly received: Uint8Array[] = [];
  /** Frames of others. */
  foreign = 0;
  /** Called for each frame of the suite, before it is recorded; true: it is not recorded. */
  onFrame: ((frame: Uint8Array) => boolean) | undefined;
  /** True: the protocol keeps what it may keep, until {@link giveBack}. */
  holding = false;
  readonly held: NET_BUFFER_LIST[] = [];
  /** Indications with NDIS_RECEIVE_FLAGS_SINGLE_ETHER_TYPE that held several types. */
  mixedTypes = 0;
  /** Status of each completed send, in order of completion. */
  readonly completed: NDIS_STATUS[] = [];
  sent = 0;
  /** Completions of an NBL that was not out. */
  strangers = 0;
  readonly links: NDIS_LINK_STATE[] = [];
  readonly logs: AdapterLogEntry[] = [];
  readonly faults: AdapterFault[] = [];
  #binding: NDIS_HANDLE | null = null;
  #pool: SendPool | null = null;
  /** Of NBLs outside the send pool. */
  #lists: NDIS_HANDLE | null = null;
  readonly #out = new Set<NET_BUFFER_LIST>();
  readonly #loose = new Set<NET_BUFFER_LIST>();

  private constructor(role: Role, pci: FaultyFunction, driver: Driver, clock: Clock, options: StationOptions) {
    this.role = role;
    this.pci = pci;
    this.driver = driver;
    this.adapter = driver.createAdapter(pci, { ...options, clock });
    this.adapter.onLink((state) => this.links.push({ ...state }));
    this.adapter.onLog((entry) => this.logs.push(entry));
    this.adapter.onFault((fault) => this.faults.push(fault));
  }

  /** A station in state Halted. */
  static async create(role: Role, pci: FaultyFunction, clock: Clock, options: StationOptions = {}): Promise<Station> {
    const entry = builtInMiniport(pci.ids);
    if (entry === undefined) throw new Error(`no built-in miniport drives ${pci.address}`);
    return new Station(role, pci, await loadDriver(entry.module), clock, options);
  }

  get mac(): Uint8Array {
    return this.adapter.macAddress;
  }

  get linkUp(): boolean {
    return this.adapter.linkState.MediaConnectState === 1;
  }

  get binding(): NDIS_HANDLE {
    if (this.#binding === null) throw new Error(`the ${this.role} station is not bound`);
    return this.#binding;
  }

  /** NBLs that did not come back yet. */
  get outstanding(): number {
    return this.#out.size;
  }

  /** Calls of interrupt handlers, all messages. */
  get isrCalls(): number {
    return (this.adapter.interrupt?.messages ?? []).reduce((sum, one) => sum + one.isrCalls, 0);
  }

  /** Halted -> Paused, with a protocol above. */
  async initialize(): Promise<void> {
    await this.adapter.initialize();
    this.bind();
  }

  bind(): void {
    const handle = out<NDIS_HANDLE | null>(null);
    const status = NdisOpenAdapterEx(
      this.adapter,
      {
        ReceiveNetBufferListsHandler: (_context, chain, _port, _count, flags) => this.#receive(chain, flags),
        SendNetBufferListsCompleteHandler: (_context, chain) => this.#complete(chain),
      },
      null,
      handle,
    );
    if (status !== NDIS_STATUS_SUCCESS) throw new Error(`NdisOpenAdapterEx: ${statusName(status)}`);
    this.#binding = handle.Value;
    const frameBytes = this.adapter.mtu > 1500 ? JUMBO_SLOT_BYTES : SLOT_BYTES;
    this.#pool ??= this.adapter.allocateSendPool({ frames: POOL_FRAMES, frameBytes });
    this.#lists ??= NdisAllocateNetBufferListPool(null, {
      Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: 20 },
      ProtocolId: 0,
      fAllocateNetBuffer: true,
      ContextSize: 0,
      PoolTag: 0,
      DataSize: 0,
    });
  }

  unbind(): void {
    if (this.#binding !== null) NdisCloseAdapterEx(this.#binding);
    this.#binding = null;
  }

  /** Paused -> Running with this packet filter. */
  async start(filter: number): Promise<void> {
    await this.adapter.restart();
    await this.adapter.setPacketFilter(filter);
  }

  /** Whatever state -> Halted; the protocol returns everything first. */
  async stop(): Promise<void> {
    this.giveBack();
    this.holding = false;
    if (this.adapter.state === 'Running') await this.adapter.pause();
    this.unbind();
    this.#freePools();
    if (this.adapter.state === 'Paused') await this.adapter.halt();
  }

  /** After a surprise removal: Halted already. */
  forget(): void {
    this.giveBack();
    this.unbind();
    this.#freePools();
  }

  /** A list of the send pool that holds `frame`; undefined when all are out. */
  take(frame: Uint8Array): NET_BUFFER_LIST | undefined {
    const pool = this.#pool!;
    const nbl = pool.take();
    if (nbl === null) return undefined;
    pool.memory.set(frame, pool.offsetOf(nbl));
    pool.setLength(nbl, frame.length);
    return nbl;
  }

  /** A list of its own whose data lies in pieces, in ordinary memory. */
  makePieces(pieces: readonly Uint8Array[]): NET_BUFFER_LIST {
    let chain: MDL | null = null;
    for (const piece of [...pieces].reverse()) {
      chain = { Next: chain, StartVa: piece, ByteOffset: 0, ByteCount: piece.length, PhysicalAddress: 0 };
    }
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const nbl = NdisAllocateNetBufferAndNetBufferList(this.#lists!, 0, 0, chain, 0, length);
    if (nbl === null) throw new Error('no NET_BUFFER_LIST');
    this.#loose.add(nbl);
    return nbl;
  }

  /** Sends lists as one chain. */
  sendLists(lists: readonly NET_BUFFER_LIST[]): void {
    for (const [i, nbl] of lists.entries()) {
      nbl.Next = lists[i + 1] ?? null;
      this.#out.add(nbl);
      this.sent += 1;
    }
    const first = lists[0];
    if (first !== undefined) NdisSendNetBufferLists(this.binding, first, NDIS_DEFAULT_PORT_NUMBER, 0);
  }

  /** Sends frames from the send pool as one chain. `cancelId` marks them for NdisCancelSendNetBufferLists. */
  send(frames: readonly Uint8Array[], cancelId?: unknown): void {
    this.sendLists(
      frames.map((frame) => {
        const nbl = this.take(frame);
        if (nbl === undefined) throw new Error(`the ${this.role} station has no send buffer left`);
        nbl.NetBufferListInfo.NetBufferListCancelId = cancelId ?? null;
        return nbl;
      }),
    );
  }

  /** Returns what the protocol kept. */
  giveBack(): void {
    const lists = this.held.splice(0, this.held.length);
    for (const [i, nbl] of lists.entries()) nbl.Next = lists[i + 1] ?? null;
    if (lists[0] !== undefined) NdisReturnNetBufferLists(this.binding, lists[0], 0);
  }

  /** Frames so far, and forgets them. */
  takeReceived(): Uint8Array[] {
    return this.received.splice(0, this.received.length);
  }

  /** What NDIS and its verifier hold against the miniport. `gaveUp`: it may have asked for its removal. */
  complaints(gaveUp = false): string[] {
    const allowed = (text: string): boolean => gaveUp && text.includes('NdisMRemoveMiniport');
    const rules = this.logs.filter((entry) => entry.kind === 'rule' || entry.kind === 'leak');
    const list = [...this.faults, ...rules].map((one) => one.message).filter((text) => !allowed(text));
    list.push(...this.adapter.violations.map((one) => `${one.rule}: ${one.what}`));
    if (this.strangers > 0) list.push(`${this.strangers} NET_BUFFER_LISTs were completed that were not out`);
    if (this.#out.size > 0) list.push(`${this.#out.size} sends were never completed`);
    return list.map((text) => `${this.role}: ${text}`);
  }

  #freePools(): void {
    if (this.#out.size === 0) this.#pool?.free();
    this.#pool = null;
    if (this.#lists !== null) NdisFreeNetBufferListPool(this.#lists);
    this.#lists = null;
  }

  #receive(chain: NET_BUFFER_LIST, flags: number): void {
    let type = -1;
    let mixed = false;
    for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; nbl = nbl.Next) {
      const nb = nbl.FirstNetBuffer!;
      const mdl = nb.CurrentMdl!;
      const at = mdl.ByteOffset + nb.CurrentMdlOffset;
      const frame = mdl.StartVa.slice(at, at + nb.DataLength);
      const ownType = (frame[12]! << 8) | frame[13]!;
      if (type !== -1 && ownType !== type) mixed = true;
      type = ownType;
      if (!isOurs(frame)) this.foreign += 1;
      else if (this.onFrame?.(frame) !== true) this.received.push(frame);
    }
    if (mixed && (flags & NDIS_RECEIVE_FLAGS_SINGLE_ETHER_TYPE) !== 0) this.mixedTypes += 1;
    if ((flags & NDIS_RECEIVE_FLAGS_RESOURCES) !== 0) return;
    if (this.holding) for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; nbl = nbl.Next) this.held.push(nbl);
    else NdisReturnNetBufferLists(this.binding, chain, 0);
  }

  #complete(chain: NET_BUFFER_LIST): void {
    for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; ) {
      const next: NET_BUFFER_LIST | null = nbl.Next;
      if (!this.#out.delete(nbl)) this.strangers += 1;
      this.completed.push(nbl.Status);
      if (!this.#loose.delete(nbl)) this.#pool?.release(nbl);
      nbl = next;
    }
  }
}
