/** Rules of the page `nc-ndis-miniport_cancel_oid_request`, a test each. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  DISPATCH_LEVEL,
  KeGetCurrentIrql,
  type NDIS_OID_REQUEST,
  NDIS_STATUS_PENDING,
  NDIS_STATUS_REQUEST_ABORTED,
  NDIS_STATUS_SUCCESS,
  NdisMOidRequestComplete,
  NdisRequestQueryInformation,
  NdisRequestSetInformation,
  OID_GEN_CURRENT_PACKET_FILTER,
  OID_GEN_VENDOR_DRIVER_VERSION,
} from '../../../src/ndis/index.ts';
import { makeOidRequest } from '../../../src/ndis/oid.ts';
import { initialized } from './fake-miniport.ts';
import { turn } from './fake-pci.ts';

/** A miniport that keeps every request and completes the one whose id is cancelled. */
async function keeping() {
  const kept: NDIS_OID_REQUEST[] = [];
  const cancels: { readonly id: unknown; readonly irql: number }[] = [];
  const made = await initialized({
    handlers: {
      OidRequestHandler: (_context, request) => {
        kept.push(request);
        return NDIS_STATUS_PENDING;
      },
      CancelOidRequestHandler: (_context, id) => {
        cancels.push({ id, irql: KeGetCurrentIrql() });
        const match = kept.find((one) => one.RequestId === id);
        if (match !== undefined) NdisMOidRequestComplete(made.miniport.handle, match, NDIS_STATUS_REQUEST_ABORTED);
      },
    },
  });
  const query = (id: unknown): NDIS_OID_REQUEST => {
    const request = makeOidRequest(NdisRequestQueryInformation, OID_GEN_VENDOR_DRIVER_VERSION, new Uint8Array(4));
    request.RequestId = id;
    return request;
  };
  return { ...made, kept, cancels, query };
}

describe('MiniportCancelOidRequest', () => {
  it('is called at DISPATCH_LEVEL with the RequestId and ends the pending request with REQUEST_ABORTED', async () => {
    const { adapter, cancels, query } = await keeping();
    const answer = adapter.oidRequest(query('a'));
    await turn();
    expect(adapter.cancelOidRequest('a')).toBe(true);
    expect(await answer).toBe(NDIS_STATUS_REQUEST_ABORTED);
    expect(cancels).toEqual([{ id: 'a', irql: DISPATCH_LEVEL }]);
  });

  it('is not called for a request that still waits for its turn, which is answered REQUEST_ABORTED', async () => {
    const { adapter, miniport, kept, cancels, query } = await keeping();
    const first = adapter.oidRequest(query('a'));
    const second = adapter.oidRequest(query('b'));
    const third = adapter.oidRequest(query('c'));
    await turn();
    expect(adapter.cancelOidRequest('b')).toBe(true);
    expect(cancels).toEqual([]);
    NdisMOidRequestComplete(miniport.handle, kept[0] as NDIS_OID_REQUEST, NDIS_STATUS_SUCCESS);
    expect([await first, await second]).toEqual([NDIS_STATUS_SUCCESS, NDIS_STATUS_REQUEST_ABORTED]);
    await turn();
    expect(kept.map((one) => one.RequestId)).toEqual(['a', 'c']);
    adapter.cancelOidRequest('c');
    expect(await third).toBe(NDIS_STATUS_REQUEST_ABORTED);
  });

  it('is not called for an id nobody carries', async () => {
    const { adapter, miniport, kept, cancels, query } = await keeping();
    const answer = adapter.oidRequest(query('a'));
    await turn();
    expect(adapter.cancelOidRequest('z')).toBe(false);
    expect(cancels).toEqual([]);
    NdisMOidRequestComplete(miniport.handle, kept[0] as NDIS_OID_REQUEST, NDIS_STATUS_SUCCESS);
    expect(await answer).toBe(NDIS_STATUS_SUCCESS);
    expect(adapter.cancelOidRequest('a')).toBe(false);
  });

  it('reaches a packet filter request too, which NDIS rewrites for the miniport under the same id', async () => {
    const { adapter, query, kept } = await keeping();
    const request = { ...query('f'), RequestType: NdisRequestSetInformation };
    request.DATA = { ...request.DATA, Oid: OID_GEN_CURRENT_PACKET_FILTER };
    const answer = adapter.oidRequest(request);
    await turn();
    expect(kept[0]?.RequestId).toBe('f');
    adapter.cancelOidRequest('f');
    expect(await answer).toBe(NDIS_STATUS_REQUEST_ABORTED);
  });

  it('may leave the request alone, which then completes normally', async () => {
    const made = await initialized({
      handlers: {
        OidRequestHandler: () => NDIS_STATUS_PENDING,
        CancelOidRequestHandler: () => {},
      },
    });
    const request = makeOidRequest(NdisRequestQueryInformation, OID_GEN_VENDOR_DRIVER_VERSION, new Uint8Array(4));
    request.RequestId = 7;
    const answer = made.adapter.oidRequest(request);
    await turn();
    made.adapter.cancelOidRequest(7);
    NdisMOidRequestComplete(made.miniport.handle, request, NDIS_STATUS_SUCCESS);
    expect(await answer).toBe(NDIS_STATUS_SUCCESS);
    expect(made.faults).toEqual([]);
  });
});
