/** Rules of the page `nf-ndis-ndismindicatereceivenetbufferlists`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  DISPATCH_LEVEL,
  KeGetCurrentIrql,
  type NDIS_HANDLE,
  NDIS_PACKET_TYPE_DIRECTED,
  NDIS_RECEIVE_FLAGS_RESOURCES,
  NdisAdvanceNetBufferDataStart,
  NdisCloseAdapterEx,
  NdisMIndicateReceiveNetBufferLists,
  NdisOidRequest,
  NdisReturnNetBufferLists,
  type NET_BUFFER,
  type NET_BUFFER_LIST,
  PASSIVE_LEVEL,
} from '../../../src/ndis/index.ts';
import { makeOidRequest } from '../../../src/ndis/oid.ts';
import { bind, chainToArray, initialized, running, type TestMiniport, type TestProtocol } from './fake-miniport.ts';
import { microtasks } from './fake-pci.ts';

function indicate(miniport: TestMiniport, count: number, flags = 0): NET_BUFFER_LIST {
  const chain = miniport.takeChain(count);
  NdisMIndicateReceiveNetBufferLists(miniport.handle, chain, 0, count, flags);
  return chain;
}

function returnAll(protocol: TestProtocol): void {
  for (const { nbls } of protocol.received.splice(0)) {
    for (const nbl of nbls) {
      nbl.Next = null;
      NdisReturnNetBufferLists(protocol.handle, nbl, 0);
    }
  }
}

function link(nbls: readonly NET_BUFFER_LIST[]): NET_BUFFER_LIST {
  nbls.forEach((nbl, index) => {
    nbl.Next = nbls[index + 1] ?? null;
  });
  return nbls[0] as NET_BUFFER_LIST;
}

describe('NdisMIndicateReceiveNetBufferLists', () => {
  it('hands the chain as it is to the one protocol, at DISPATCH_LEVEL, and counts it as out', async () => {
    const levels: number[] = [];
    const { adapter, miniport } = await running();
    const seen: NET_BUFFER_LIST[][] = [];
    bind(adapter, {
      ReceiveNetBufferListsHandler: (_context, chain, _port, count) => {
        levels.push(KeGetCurrentIrql());
        expect(count).toBe(3);
        seen.push(chainToArray(chain));
      },
    });
    const before = miniport.free.slice(0, 3);
    indicate(miniport, 3);
    expect(seen).toEqual([before]);
    expect(levels).toEqual([DISPATCH_LEVEL]);
    expect(KeGetCurrentIrql()).toBe(PASSIVE_LEVEL);
    expect(adapter.receivesOutstanding).toBe(3);
  });

  it('lets the protocol return inside the call: counted before it is handed on (trap 59)', async () => {
    const { adapter, miniport } = await running();
    let outstanding = -1;
    const protocol = bind(adapter, {
      ReceiveNetBufferListsHandler: (_context, chain) => {
        outstanding = adapter.receivesOutstanding;
        NdisReturnNetBufferLists(protocol.handle, chain, 0);
      },
    });
    indicate(miniport, 2);
    expect(outstanding).toBe(2);
    expect(adapter.receivesOutstanding).toBe(0);
    expect(miniport.returned).toHaveLength(2);
  });

  it('takes returns in any order, mixed from several indications (trap 61)', async () => {
    const { adapter, miniport } = await running();
    const protocol = bind(adapter);
    indicate(miniport, 2);
    indicate(miniport, 2);
    const [a, b, c, d] = protocol.received.flatMap((one) => one.nbls) as [
      NET_BUFFER_LIST,
      NET_BUFFER_LIST,
      NET_BUFFER_LIST,
      NET_BUFFER_LIST,
    ];
    NdisReturnNetBufferLists(protocol.handle, link([d, a]), 0);
    expect(miniport.returned).toEqual([d, a]);
    expect(adapter.receivesOutstanding).toBe(2);
    NdisReturnNetBufferLists(protocol.handle, link([b, c]), 0);
    expect(adapter.receivesOutstanding).toBe(0);
  });

  it('with RESOURCES gives the NBLs back as it returns and never calls Return (trap 60)', async () => {
    const { adapter, miniport, log } = await running();
    const protocol = bind(adapter);
    const chain = indicate(miniport, 2, NDIS_RECEIVE_FLAGS_RESOURCES);
    expect(protocol.received[0]?.flags).toBe(NDIS_RECEIVE_FLAGS_RESOURCES);
    expect(adapter.receivesOutstanding).toBe(0);
    expect(miniport.returned).toEqual([]);
    NdisReturnNetBufferLists(protocol.handle, chain, 0);
    expect(miniport.returned).toEqual([]);
    expect(log.some((entry) => entry.message.startsWith('PROTOCOL'))).toBe(true);
    NdisMIndicateReceiveNetBufferLists(miniport.handle, link(protocol.received[0]?.nbls ?? []), 0, 2, 0);
    expect(adapter.receivesOutstanding).toBe(2);
  });

  it('returns the NBLs at once without a binding', async () => {
    const { miniport, adapter } = await running();
    indicate(miniport, 2);
    expect(miniport.returned).toHaveLength(2);
    expect(adapter.receivesOutstanding).toBe(0);
  });

  it('returns them at once while the packet filter is 0, as it is after initialization (trap 48)', async () => {
    const { adapter, miniport } = await initialized();
    const protocol = bind(adapter);
    await adapter.restart();
    indicate(miniport, 1);
    expect(protocol.received).toEqual([]);
    await adapter.setPacketFilter(NDIS_PACKET_TYPE_DIRECTED);
    indicate(miniport, 1);
    expect(protocol.received).toHaveLength(1);
    await adapter.setPacketFilter(0);
    indicate(miniport, 1);
    expect(protocol.received).toHaveLength(1);
    expect(miniport.returned).toHaveLength(2);
  });

  it.each([
    ['too small', 2],
    ['too large', 4],
  ])('is a fault with a NumberOfNetBufferLists that is %s', async (_what, told) => {
    const { adapter, miniport, faults } = await running();
    const protocol = bind(adapter);
    NdisMIndicateReceiveNetBufferLists(miniport.handle, miniport.takeChain(3), 0, told, 0);
    await microtasks();
    expect(faults[0]?.message).toContain('NumberOfNetBufferLists');
    expect(protocol.received).toEqual([]);
  });

  it('is a fault for an NBL a protocol still holds (bug check 0x7C/0x05)', async () => {
    const { adapter, miniport, faults } = await running();
    bind(adapter);
    const chain = indicate(miniport, 1);
    NdisMIndicateReceiveNetBufferLists(miniport.handle, chain, 0, 1, 0);
    await microtasks();
    expect(faults[0]).toMatchObject({ bugCheck: 0x05 });
  });

  it('reports an NBL a protocol returns twice and does not give it to the miniport twice', async () => {
    const { adapter, miniport, log } = await running();
    const protocol = bind(adapter);
    const chain = indicate(miniport, 1);
    NdisReturnNetBufferLists(protocol.handle, chain, 0);
    NdisReturnNetBufferLists(protocol.handle, chain, 0);
    expect(miniport.returned).toHaveLength(1);
    expect(adapter.receivesOutstanding).toBe(0);
    expect(log.some((entry) => entry.message.startsWith('PROTOCOL'))).toBe(true);
  });

  it('is refused at DIRQL, and for a handle that is none', async () => {
    let thrown: unknown = null;
    const made = await running({
      isr: () => {
        try {
          indicate(made.miniport, 1);
        } catch (error) {
          thrown = error;
        }
        return true;
      },
    });
    made.pci.armed.fire(0);
    expect(thrown).toMatchObject({ code: 'E_STATE' });
    const chain = made.miniport.takeChain(1);
    expect(() => NdisMIndicateReceiveNetBufferLists({} as NDIS_HANDLE, chain, 0, 1, 0)).toThrow(/handle/);
  });

  it('turns a protocol that throws into a fault, not into an exception in the miniport', async () => {
    const { adapter, miniport, faults } = await running();
    bind(adapter, {
      ReceiveNetBufferListsHandler: () => {
        throw new Error('broken protocol');
      },
    });
    indicate(miniport, 1);
    await microtasks();
    expect(faults[0]?.error).toMatchObject({ message: 'broken protocol' });
  });
});

describe('Several protocols on one adapter', () => {
  it('each get every frame; the miniport has an NBL back when the last one returned it', async () => {
    const { adapter, miniport } = await running();
    const protocols = [bind(adapter), bind(adapter), bind(adapter)];
    indicate(miniport, 2);
    expect(adapter.receivesOutstanding).toBe(2);
    for (const [index, protocol] of protocols.entries()) {
      expect(protocol.received[0]?.nbls).toHaveLength(2);
      expect(miniport.returned).toHaveLength(0);
      returnAll(protocol);
      expect(miniport.returned).toHaveLength(index === 2 ? 2 : 0);
    }
    expect(adapter.receivesOutstanding).toBe(0);
  });

  it('do not disturb each other by linking an NBL or moving its data start', async () => {
    const { adapter, miniport } = await running();
    const first = bind(adapter, {
      ReceiveNetBufferListsHandler: (_context, chain) => {
        NdisAdvanceNetBufferDataStart(chain.FirstNetBuffer as NET_BUFFER, 14, false, null);
        const second = chain.Next as NET_BUFFER_LIST;
        chain.Next = null;
        second.Next = chain;
        NdisReturnNetBufferLists(first.handle, second, 0);
      },
    });
    const second = bind(adapter);
    const chain = indicate(miniport, 2);
    const seen = second.received[0]?.nbls ?? [];
    expect(seen.map((nbl) => nbl.FirstNetBuffer?.DataLength)).toEqual([64, 64]);
    expect(seen.map((nbl) => nbl.ParentNetBufferList)).toEqual([chain, chain.Next]);
    returnAll(second);
    expect(miniport.returned).toHaveLength(2);
    expect(miniport.returned[0]?.FirstNetBuffer?.DataLength).toBe(64);
  });

  it('reuse the clones: no more are made than were ever out', async () => {
    const { adapter, miniport } = await running();
    const protocols = [bind(adapter), bind(adapter)];
    const seen = new Set<NET_BUFFER_LIST>();
    for (let round = 0; round < 5; round++) {
      indicate(miniport, 2);
      for (const protocol of protocols) {
        for (const nbl of protocol.received[0]?.nbls ?? []) seen.add(nbl);
        returnAll(protocol);
      }
    }
    expect(seen.size).toBe(4);
  });

  it('get frames by their own packet filter, the miniport getting the union', async () => {
    const { adapter, miniport } = await running();
    const [one, two] = [bind(adapter), bind(adapter)] as [TestProtocol, TestProtocol];
    const set = (protocol: TestProtocol, bits: number) =>
      NdisOidRequest(protocol.handle, makeOidRequest(1, 0x0001010e, Uint8Array.of(bits, 0, 0, 0)));
    await set(one, 0x20);
    expect(miniport.oids.at(-1)?.bytes).toEqual([0x21, 0, 0, 0]);
    await set(two, 0);
    indicate(miniport, 1);
    expect([one.received.length, two.received.length]).toEqual([1, 0]);
    returnAll(one);
    NdisCloseAdapterEx(one.handle);
    await microtasks();
    expect(miniport.oids.at(-1)?.bytes).toEqual([1, 0, 0, 0]);
  });

  it('closed inside an indication is called no more', async () => {
    const { adapter, miniport } = await running();
    const first = bind(adapter, {
      ReceiveNetBufferListsHandler: (_context, chain) => {
        NdisCloseAdapterEx(second.handle);
        NdisReturnNetBufferLists(first.handle, chain, 0);
      },
    });
    const second = bind(adapter);
    indicate(miniport, 2);
    expect(second.received).toEqual([]);
    expect(miniport.returned).toHaveLength(2);
    expect(adapter.receivesOutstanding).toBe(0);
  });
});
