/**
 * What a miniport is put through: one function per exercise, each a whole life of an adapter. Layer: verify.
 * Invariants: an exercise throws when the miniport did not do what was asked; broken rules are the verifier's business;
 * every exercise ends with the adapter Halted or Shutdown, or fails.
 */
import {
  type Adapter,
  NDIS_DEFAULT_PORT_NUMBER,
  type NDIS_HANDLE,
  NDIS_OBJECT_TYPE_DEFAULT,
  NDIS_PACKET_TYPE_BROADCAST,
  NDIS_PACKET_TYPE_DIRECTED,
  NDIS_RECEIVE_FLAGS_RESOURCES,
  NdisAllocateNetBufferAndNetBufferList,
  NdisAllocateNetBufferListPool,
  NdisOpenAdapterEx,
  NdisReturnNetBufferLists,
  NdisSendNetBufferLists,
  type NET_BUFFER_LIST,
  out,
} from '../ndis/index.ts';
import type { Target } from './target.ts';

/** A target with an adapter on it, still Halted. */
export interface Bench {
  readonly target: Target;
  readonly adapter: Adapter;
  readonly protocol: Protocol;
  /** Remarks for the report card that are no failure. */
  readonly notes: string[];
}

export interface Exercise {
  readonly name: string;
  readonly summary: string;
  /** Needs somebody on the wire, or a device that can be taken away. */
  readonly simulatedOnly?: boolean;
  run(bench: Bench): Promise<void>;
}

const FRAME_BYTES = 60;
const BURST = 64;
/** For the link and for frames under way. */
const SETTLE_MS = 1500;

/** A protocol that counts, and keeps NBLs on request. */
export class Protocol {
  readonly #adapter: Adapter;
  readonly #pool: NDIS_HANDLE | null;
  #binding: NDIS_HANDLE | null = null;
  readonly #held: NET_BUFFER_LIST[] = [];
  holding = false;
  sent = 0;
  completed = 0;
  received = 0;

  constructor(adapter: Adapter) {
    this.#adapter = adapter;
    this.#pool = NdisAllocateNetBufferListPool(null, {
      Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: 20 },
      ProtocolId: 0,
      fAllocateNetBuffer: true,
      ContextSize: 0,
      PoolTag: 0x7672_6679,
      DataSize: 0,
    });
  }

  bind(): void {
    const handle = out<NDIS_HANDLE | null>(null);
    const handlers = {
      ReceiveNetBufferListsHandler: (
        _context: unknown,
        chain: NET_BUFFER_LIST,
        _port: number,
        count: number,
        flags: number,
      ): void => {
        this.received += count;
        if ((flags & NDIS_RECEIVE_FLAGS_RESOURCES) !== 0) return;
        if (!this.holding) NdisReturnNetBufferLists(this.#binding as NDIS_HANDLE, chain, 0);
        else for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; nbl = nbl.Next) this.#held.push(nbl);
      },
      SendNetBufferListsCompleteHandler: (_context: unknown, chain: NET_BUFFER_LIST): void => {
        for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; nbl = nbl.Next) this.completed++;
      },
    };
    NdisOpenAdapterEx(this.#adapter, handlers, null, handle);
    this.#binding = handle.Value;
  }

  /** Sends frames to a station, as one chain. */
  send(count: number): void {
    let chain: NET_BUFFER_LIST | null = null;
    for (let index = 0; index < count; index++) {
      const bytes = frame(PEER, this.#adapter.macAddress, index);
      const mdl = { Next: null, StartVa: bytes, ByteOffset: 0, ByteCount: bytes.length, PhysicalAddress: 0 };
      const nbl: NET_BUFFER_LIST | null = NdisAllocateNetBufferAndNetBufferList(
        this.#pool as NDIS_HANDLE,
        0,
        0,
        mdl,
        0,
        bytes.length,
      );
      if (nbl === null) throw new Error('no NBL');
      nbl.Next = chain;
      chain = nbl;
    }
    if (chain === null) return;
    this.sent += count;
    NdisSendNetBufferLists(this.#binding as NDIS_HANDLE, chain, NDIS_DEFAULT_PORT_NUMBER, 0);
  }

  /** Returns what was kept. */
  giveBack(): void {
    const all = this.#held.splice(0);
    for (const [index, nbl] of all.entries()) nbl.Next = all[index + 1] ?? null;
    if (all[0] !== undefined) NdisReturnNetBufferLists(this.#binding as NDIS_HANDLE, all[0], 0);
  }

  /** @throws Error when a send has not come back. */
  settled(): void {
    if (this.completed !== this.sent)
      throw new Error(`${this.sent - this.completed} of ${this.sent} sends not completed`);
  }
}

const PEER = Uint8Array.of(0x02, 0, 0, 0, 0, 9);

/** A frame of the local experimental EtherType. */
function frame(to: Uint8Array, from: Uint8Array, number: number): Uint8Array {
  const bytes = new Uint8Array(FRAME_BYTES);
  bytes.set(to.subarray(0, 6));
  bytes.set(from.subarray(0, 6), 6);
  bytes.set([0x88, 0xb5, number >>> 8, number & 0xff], 12);
  return bytes;
}

async function start(bench: Bench): Promise<void> {
  const { target, adapter, protocol } = bench;
  await target.run(adapter.initialize());
  protocol.bind();
  await target.run(adapter.restart());
  await target.run(adapter.setPacketFilter(NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_BROADCAST));
  await target.pass(SETTLE_MS);
}

async function stop({ target, adapter, protocol }: Bench): Promise<void> {
  protocol.giveBack();
  if (adapter.state === 'Running') await target.run(adapter.pause());
  protocol.settled();
  if (adapter.state === 'Paused') await target.run(adapter.halt());
}

/** Frames in both directions. */
async function exchange({ target, protocol, adapter }: Bench, wait = true): Promise<void> {
  protocol.send(BURST);
  for (let number = 0; number < BURST; number++) {
    if (target.mac !== null) target.send(frame(adapter.macAddress, PEER, number));
  }
  if (wait) await target.pass(100);
}

export const EXERCISES: readonly Exercise[] = [
  {
    name: 'life',
    summary: 'initialize, restart, pause, restart, pause, halt; twice',
    run: async (bench) => {
      const { target, adapter } = bench;
      for (let life = 0; life < 2; life++) {
        await target.run(adapter.initialize());
        for (let round = 0; round < 2; round++) {
          await target.run(adapter.restart());
          await target.run(adapter.pause());
        }
        await target.run(adapter.halt());
      }
    },
  },
  {
    name: 'traffic',
    summary: 'frames in both directions while the link is up',
    run: async (bench) => {
      await start(bench);
      for (let round = 0; round < 4; round++) await exchange(bench);
      await stop(bench);
      const { target, protocol, notes } = bench;
      if (target.mac !== null && protocol.received < 4 * BURST) {
        notes.push(`traffic: ${protocol.received} of ${4 * BURST} frames received`);
      }
    },
  },
  {
    name: 'pause',
    summary: 'pauses with sends under way and received frames kept by a protocol',
    run: async (bench) => {
      const { target, adapter, protocol } = bench;
      await start(bench);
      protocol.holding = true;
      await exchange(bench);
      protocol.send(BURST);
      const pausing = adapter.pause();
      await target.pass(50);
      protocol.giveBack();
      protocol.holding = false;
      await target.run(pausing);
      protocol.settled();
      await target.run(adapter.restart());
      await exchange(bench);
      await stop(bench);
    },
  },
  {
    name: 'reset',
    summary: 'resets while running, with traffic, and while pausing',
    run: async (bench) => {
      const { target, adapter, protocol } = bench;
      await start(bench);
      await target.run(adapter.reset());
      await exchange(bench, false);
      await target.run(adapter.reset());
      await target.pass(SETTLE_MS);
      await exchange(bench, false);
      const reset = adapter.reset();
      const pause = adapter.pause();
      await target.run(Promise.all([reset, pause]));
      protocol.settled();
      await stop(bench);
    },
  },
  {
    name: 'requests',
    summary: 'each OID it supports: right, short and empty buffers; an unknown one; a wrong set',
    run: async (bench) => {
      const { target, adapter } = bench;
      await target.run(adapter.initialize());
      const oids = [...(adapter.generalAttributes?.SupportedOidList ?? []), 0xff00_0001];
      for (const oid of oids) {
        for (const bytes of [512, 4, 1, 0]) await target.run(adapter.queryOid(oid, bytes).catch(() => undefined));
        // Power and wake-up requests change what the adapter does; the life cycle owns them.
        if (oid < 0xfc00_0000) await target.run(adapter.setOid(oid, new Uint8Array(1)).catch(() => undefined));
      }
      await target.run(adapter.halt());
    },
  },
  {
    name: 'removal',
    summary: 'the device is taken away under traffic',
    simulatedOnly: true,
    run: async (bench) => {
      const { target, adapter, protocol } = bench;
      await start(bench);
      protocol.holding = true;
      await exchange(bench, false);
      target.remove();
      const removed = adapter.surpriseRemoved();
      await target.pass(50);
      protocol.giveBack();
      await target.run(removed);
      protocol.settled();
      if (adapter.state !== 'Halted') throw new Error(`the adapter is ${adapter.state} after its removal`);
    },
  },
  {
    name: 'shutdown',
    summary: 'power-off while running; nothing may be freed',
    simulatedOnly: true,
    run: async (bench) => {
      await start(bench);
      await exchange(bench, false);
      bench.adapter.shutdown();
      await bench.target.pass(100);
    },
  },
];
