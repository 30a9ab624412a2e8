/** Rules of the page `nf-ndis-ndismsendnetbufferlistscomplete`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  DISPATCH_LEVEL,
  KeGetCurrentIrql,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_SEND_ABORTED,
  NDIS_STATUS_SUCCESS,
  NdisCancelSendNetBufferLists,
  NdisCloseAdapterEx,
  NdisMSendNetBufferListsComplete,
  NdisSendNetBufferLists,
  type NET_BUFFER_LIST,
  type SendPool,
} from '../../../src/ndis/index.ts';
import { bind, chainToArray, running } from './fake-miniport.ts';
import { microtasks } from './fake-pci.ts';

function chainOf(pool: SendPool, count: number): NET_BUFFER_LIST {
  let chain: NET_BUFFER_LIST | null = null;
  for (let index = 0; index < count; index++) {
    const nbl = pool.take() as NET_BUFFER_LIST;
    nbl.Next = chain;
    chain = nbl;
  }
  return chain as NET_BUFFER_LIST;
}

async function sending() {
  const made = await running();
  const pool = made.adapter.allocateSendPool({ frames: 8, frameBytes: 128 });
  const protocol = bind(made.adapter);
  return { ...made, pool, protocol };
}

function complete(
  miniport: Awaited<ReturnType<typeof sending>>['miniport'],
  nbls: NET_BUFFER_LIST[],
  status = 0,
): void {
  nbls.forEach((nbl, index) => {
    nbl.Status = status;
    nbl.Next = nbls[index + 1] ?? null;
  });
  NdisMSendNetBufferListsComplete(miniport.handle, nbls[0] as NET_BUFFER_LIST, 0);
}

describe('NdisMSendNetBufferListsComplete', () => {
  it('gives every NBL back to its protocol, at DISPATCH_LEVEL, with its own status (trap 62)', async () => {
    const { adapter, miniport, pool } = await running().then((made) => ({
      ...made,
      pool: made.adapter.allocateSendPool({ frames: 2, frameBytes: 64 }),
    }));
    const levels: number[] = [];
    const statuses: number[] = [];
    const protocol = bind(adapter, {
      SendNetBufferListsCompleteHandler: (_context, chain) => {
        levels.push(KeGetCurrentIrql());
        for (const nbl of chainToArray(chain)) statuses.push(nbl.Status);
      },
    });
    NdisSendNetBufferLists(protocol.handle, chainOf(pool, 2), 0, 0);
    expect(adapter.sendsOutstanding).toBe(2);
    const [first, second] = miniport.sends as [NET_BUFFER_LIST, NET_BUFFER_LIST];
    first.Status = NDIS_STATUS_SUCCESS;
    second.Status = NDIS_STATUS_INVALID_LENGTH;
    NdisMSendNetBufferListsComplete(miniport.handle, first, 0);
    expect(statuses).toEqual([NDIS_STATUS_SUCCESS, NDIS_STATUS_INVALID_LENGTH]);
    expect(levels).toEqual([DISPATCH_LEVEL]);
    expect(adapter.sendsOutstanding).toBe(0);
  });

  it('may be called inside MiniportSendNetBufferLists, in any order and split', async () => {
    const made = await running({
      handlers: {
        SendNetBufferListsHandler: (_context, chain) => {
          expect(KeGetCurrentIrql()).toBe(DISPATCH_LEVEL);
          complete(made.miniport, chainToArray(chain).reverse());
        },
      },
    });
    const pool = made.adapter.allocateSendPool({ frames: 3, frameBytes: 64 });
    const protocol = bind(made.adapter);
    const chain = chainOf(pool, 3);
    const sent = chainToArray(chain);
    NdisSendNetBufferLists(protocol.handle, chain, 0, 0);
    expect(protocol.completed).toEqual(sent.reverse());
    for (const nbl of protocol.completed) pool.release(nbl);
    expect(pool.available).toBe(3);
  });

  it('routes a chain mixed from several protocols by who sent each NBL', async () => {
    const { adapter, miniport, pool, protocol } = await sending();
    const other = bind(adapter);
    NdisSendNetBufferLists(protocol.handle, chainOf(pool, 2), 0, 0);
    NdisSendNetBufferLists(other.handle, chainOf(pool, 2), 0, 0);
    const [a, b, c, d] = miniport.sends as [NET_BUFFER_LIST, NET_BUFFER_LIST, NET_BUFFER_LIST, NET_BUFFER_LIST];
    complete(miniport, [a, c, b, d]);
    expect(protocol.completed).toEqual([a, b]);
    expect(other.completed).toEqual([c, d]);
    expect(adapter.sendsOutstanding).toBe(0);
  });

  it('is a fault for an NBL completed twice', async () => {
    const { miniport, pool, protocol, faults } = await sending();
    NdisSendNetBufferLists(protocol.handle, chainOf(pool, 1), 0, 0);
    complete(miniport, miniport.sends);
    complete(miniport, miniport.sends);
    await microtasks();
    expect(faults[0]?.message).toContain('completed twice');
    expect(protocol.completed).toHaveLength(1);
  });

  it('reports an NBL whose Status was not set', async () => {
    const { miniport, pool, protocol, log } = await sending();
    NdisSendNetBufferLists(protocol.handle, chainOf(pool, 1), 0, 0);
    NdisMSendNetBufferListsComplete(miniport.handle, miniport.sends[0] as NET_BUFFER_LIST, 0);
    expect(log.some((entry) => entry.message.startsWith('NV-03'))).toBe(true);
    expect(protocol.completed[0]?.Status).toBe(NDIS_STATUS_SUCCESS);
  });

  it('refuses to send an NBL that is being sent, and drops completions for a closed binding', async () => {
    const { miniport, pool, protocol, adapter } = await sending();
    const chain = chainOf(pool, 1);
    NdisSendNetBufferLists(protocol.handle, chain, 0, 0);
    expect(() => NdisSendNetBufferLists(protocol.handle, chain, 0, 0)).toThrow(/being sent/);
    NdisCloseAdapterEx(protocol.handle);
    complete(miniport, miniport.sends);
    expect(protocol.completed).toEqual([]);
    expect(adapter.sendsOutstanding).toBe(0);
    expect(() => NdisSendNetBufferLists(protocol.handle, chain, 0, 0)).toThrow(/open binding/);
  });

  it('is not waited for when the send handler throws: that is a fault, and later sends fail', async () => {
    const made = await running({
      handlers: {
        SendNetBufferListsHandler: () => {
          throw new Error('broken send');
        },
      },
    });
    const pool = made.adapter.allocateSendPool({ frames: 2, frameBytes: 64 });
    const protocol = bind(made.adapter);
    NdisSendNetBufferLists(protocol.handle, chainOf(pool, 1), 0, 0);
    NdisSendNetBufferLists(protocol.handle, chainOf(pool, 1), 0, 0);
    await microtasks();
    expect(made.faults[0]?.error).toMatchObject({ message: 'broken send' });
    expect(protocol.completed.map((nbl) => nbl.Status)).toEqual([NDIS_STATUS_FAILURE]);
  });

  it('completes cancelled sends with SEND_ABORTED after MiniportCancelSend got the protocol’s id', async () => {
    const made = await running({
      handlers: {
        CancelSendHandler: (_context, cancelId) => {
          const matching = made.miniport.sends.filter(
            (nbl) => nbl.NetBufferListInfo.NetBufferListCancelId === cancelId,
          );
          if (matching.length > 0) complete(made.miniport, matching, NDIS_STATUS_SEND_ABORTED);
        },
      },
    });
    const pool = made.adapter.allocateSendPool({ frames: 2, frameBytes: 64 });
    const protocol = bind(made.adapter);
    const chain = chainOf(pool, 2);
    (chain.Next as NET_BUFFER_LIST).NetBufferListInfo.NetBufferListCancelId = 'this one';
    NdisSendNetBufferLists(protocol.handle, chain, 0, 0);
    NdisCancelSendNetBufferLists(protocol.handle, 'no such id');
    expect(protocol.completed).toEqual([]);
    NdisCancelSendNetBufferLists(protocol.handle, 'this one');
    expect(protocol.completed.map((nbl) => nbl.Status)).toEqual([NDIS_STATUS_SEND_ABORTED]);
    expect(made.adapter.sendsOutstanding).toBe(1);
  });
});
