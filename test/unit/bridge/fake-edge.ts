/**
 * An adapter's upper edge for tests of what stands on it. Layer: test.
 * Sends wait in `inFlight` until the test completes them; received chains are built from byte arrays in one "arena".
 */
import type { AdapterEdge, EdgeHandlers, SendSlots } from '../../../src/bridge/edge.ts';
import {
  type MDL,
  MediaConnectStateConnected,
  MediaConnectStateDisconnected,
  MediaDuplexStateFull,
  type NDIS_LINK_STATE,
  type NET_BUFFER,
  type NET_BUFFER_LIST,
} from '../../../src/ndis/types.ts';

export function makeNbl(mdl: MDL | null, lengthBytes: number, mdlOffset = 0): NET_BUFFER_LIST {
  const buffer: NET_BUFFER = {
    Next: null,
    CurrentMdl: mdl,
    CurrentMdlOffset: mdlOffset,
    DataLength: lengthBytes,
    MdlChain: mdl,
    DataOffset: mdlOffset,
    NdisPoolHandle: null,
    NdisReserved: null,
    ProtocolReserved: null,
    MiniportReserved: null,
    DataPhysicalAddress: 0,
    ScatterGatherList: null,
  };
  return {
    Next: null,
    FirstNetBuffer: buffer,
    Context: null,
    ParentNetBufferList: null,
    NdisPoolHandle: null,
    NdisReserved: null,
    ProtocolReserved: null,
    MiniportReserved: null,
    Scratch: null,
    SourceHandle: null,
    NblFlags: 0,
    ChildRefCount: 0,
    Flags: 0,
    Status: 0,
    NetBufferListInfo: {
      TcpIpChecksumNetBufferListInfo: 0,
      TcpLargeSendNetBufferListInfo: 0,
      Ieee8021QNetBufferListInfo: 0,
      NetBufferListCancelId: null,
      NetBufferListHashValue: 0,
      NetBufferListHashInfo: 0,
    },
  };
}

export function mdlOf(StartVa: Uint8Array, ByteOffset: number, ByteCount: number, Next: MDL | null = null): MDL {
  return { Next, StartVa, ByteOffset, ByteCount, PhysicalAddress: 0 };
}

/** Links NBLs by Next and returns the first. */
export function chainOf(nbls: readonly NET_BUFFER_LIST[]): NET_BUFFER_LIST {
  for (const [index, nbl] of nbls.entries()) nbl.Next = nbls[index + 1] ?? null;
  return nbls[0]!;
}

export function listOf(chain: NET_BUFFER_LIST | null): NET_BUFFER_LIST[] {
  const nbls: NET_BUFFER_LIST[] = [];
  for (let nbl = chain; nbl !== null; nbl = nbl.Next) nbls.push(nbl);
  return nbls;
}

export function linkState(up: boolean): NDIS_LINK_STATE {
  return {
    Header: { Type: 0x80, Revision: 1, Size: 40 },
    MediaConnectState: up ? MediaConnectStateConnected : MediaConnectStateDisconnected,
    MediaDuplexState: MediaDuplexStateFull,
    XmitLinkSpeed: 1e9,
    RcvLinkSpeed: 1e9,
    PauseFunctions: 0,
    AutoNegotiationFlags: 0,
  };
}

/** A frame of `lengthBytes` whose bytes tell its number. */
export function frameOf(number: number, lengthBytes = 60): Uint8Array {
  return Uint8Array.from({ length: lengthBytes }, (_, at) => (number * 7 + at) & 0xff);
}

export class FakeEdge implements AdapterEdge {
  readonly slots: SendSlots;
  readonly free: NET_BUFFER_LIST[] = [];
  /** Chains as they were sent. */
  readonly chains: NET_BUFFER_LIST[][] = [];
  inFlight: NET_BUFFER_LIST[] = [];
  readonly returned: NET_BUFFER_LIST[][] = [];
  closed = false;
  /** Completes inside send(), as a paused adapter does. */
  completeAtOnce = false;
  readonly handlers: EdgeHandlers;
  private readonly slotBytes: number;

  constructor(handlers: EdgeHandlers, slotCount: number, slotBytes: number) {
    this.handlers = handlers;
    this.slotBytes = slotBytes;
    const memory = new Uint8Array(slotCount * slotBytes);
    for (let slot = slotCount - 1; slot >= 0; slot--) {
      this.free.push(makeNbl(mdlOf(memory, slot * slotBytes, slotBytes), 0));
    }
    const { free } = this;
    this.slots = {
      memory,
      slotBytes,
      take: () => free.pop() ?? null,
      release: (nbl) => {
        if (free.includes(nbl)) throw new Error('released twice');
        nbl.Next = null;
        free.push(nbl);
      },
      offsetOf: (nbl) => nbl.FirstNetBuffer!.CurrentMdl!.ByteOffset,
      setLength: (nbl, lengthBytes) => {
        nbl.FirstNetBuffer!.DataLength = lengthBytes;
      },
    };
  }

  send(first: NET_BUFFER_LIST): void {
    const nbls = listOf(first);
    this.chains.push(nbls);
    this.inFlight.push(...nbls);
    if (this.completeAtOnce) this.complete(nbls.length);
  }

  returnReceived(first: NET_BUFFER_LIST): void {
    this.returned.push(listOf(first));
  }

  close(): void {
    this.closed = true;
  }

  /** Completes the oldest `count` sends in one chain. */
  complete(count: number, status = 0): void {
    const nbls = this.inFlight.splice(0, count);
    for (const nbl of nbls) nbl.Status = status;
    this.handlers.sendCompleted(chainOf(nbls));
  }

  bytesOf(nbl: NET_BUFFER_LIST): Uint8Array {
    const offset = this.slots.offsetOf(nbl);
    return this.slots.memory.slice(offset, offset + nbl.FirstNetBuffer!.DataLength);
  }

  get slotSize(): number {
    return this.slotBytes;
  }
}
