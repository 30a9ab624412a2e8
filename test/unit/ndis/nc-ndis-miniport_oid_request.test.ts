/** Rules of the page `nc-ndis-miniport_oid_request`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  KeGetCurrentIrql,
  MediaConnectStateConnected,
  type NDIS_OID_REQUEST,
  type NDIS_STATUS,
  NDIS_STATUS_BUFFER_TOO_SHORT,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_PENDING,
  NDIS_STATUS_SUCCESS,
  NdisMOidRequestComplete,
  NdisRequestQueryInformation,
  OID_802_3_CURRENT_ADDRESS,
  OID_802_3_MULTICAST_LIST,
  OID_GEN_BYTES_RCV,
  OID_GEN_CURRENT_PACKET_FILTER,
  OID_GEN_LINK_STATE,
  OID_GEN_MAC_OPTIONS,
  OID_GEN_MAXIMUM_FRAME_SIZE,
  OID_GEN_STATISTICS,
  OID_GEN_SUPPORTED_LIST,
  OID_GEN_VENDOR_DRIVER_VERSION,
  PASSIVE_LEVEL,
} from '../../../src/ndis/index.ts';
import { makeOidRequest } from '../../../src/ndis/oid.ts';
import { type Bench, initialized } from './fake-miniport.ts';
import { microtasks, turn } from './fake-pci.ts';

function u32(bytes: Uint8Array, at = 0): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
}

/** Answers OID_GEN_STATISTICS with counter i = 2^32 + i. */
function statistics(request: NDIS_OID_REQUEST): NDIS_STATUS {
  const { DATA } = request;
  if (DATA.Oid !== OID_GEN_STATISTICS) return NDIS_STATUS_NOT_SUPPORTED;
  const view = new DataView((DATA.InformationBuffer as Uint8Array).buffer);
  for (let index = 0; index < 18; index++) {
    view.setUint32(8 + index * 8, index, true);
    view.setUint32(12 + index * 8, 1, true);
  }
  DATA.BytesWritten = 152;
  return NDIS_STATUS_SUCCESS;
}

describe('MiniportOidRequest', () => {
  it('is called at PASSIVE_LEVEL, one request at a time, in order', async () => {
    const waiting: NDIS_OID_REQUEST[] = [];
    const levels: number[] = [];
    const made: Bench = await initialized({
      handlers: {
        OidRequestHandler: (_context, request) => {
          levels.push(KeGetCurrentIrql());
          waiting.push(request);
          return NDIS_STATUS_PENDING;
        },
      },
    });
    const answers = [1, 2, 3].map((version) =>
      made.adapter.oidRequest(
        makeOidRequest(NdisRequestQueryInformation, OID_GEN_VENDOR_DRIVER_VERSION, new Uint8Array(version)),
      ),
    );
    for (let count = 1; count <= 3; count++) {
      await turn();
      expect(waiting).toHaveLength(count);
      expect(waiting[count - 1]?.DATA.InformationBufferLength).toBe(count);
      NdisMOidRequestComplete(made.miniport.handle, waiting[count - 1] as NDIS_OID_REQUEST, NDIS_STATUS_SUCCESS);
    }
    expect(await Promise.all(answers)).toEqual([0, 0, 0]);
    expect(levels).toEqual([PASSIVE_LEVEL, PASSIVE_LEVEL, PASSIVE_LEVEL]);
  });

  it('may return a Promise of its status', async () => {
    const { adapter } = await initialized({ handlers: { OidRequestHandler: async () => NDIS_STATUS_SUCCESS } });
    await adapter.setPacketFilter(1);
  });

  it('completed with PENDING, twice, or after a synchronous status is bug check 0x7C/0x26', async () => {
    const complete = async (status: NDIS_STATUS, returned: NDIS_STATUS, times: number) => {
      const made = await initialized({
        handlers: {
          OidRequestHandler: (_context, request) => {
            for (let count = 0; count < times; count++) NdisMOidRequestComplete(made.miniport.handle, request, status);
            return returned;
          },
        },
      });
      await made.adapter.setPacketFilter(1).catch(() => undefined);
      await microtasks();
      return made.faults[0]?.bugCheck;
    };
    expect(await complete(NDIS_STATUS_PENDING, NDIS_STATUS_SUCCESS, 1)).toBe(0x26);
    expect(await complete(NDIS_STATUS_SUCCESS, NDIS_STATUS_PENDING, 2)).toBe(0x26);
    expect(await complete(NDIS_STATUS_SUCCESS, NDIS_STATUS_SUCCESS, 1)).toBe(0x26);
    expect(await complete(NDIS_STATUS_SUCCESS, NDIS_STATUS_PENDING, 1)).toBeUndefined();
  });

  it('that writes more than the buffer holds is bug check 0x7C/0x1D', async () => {
    const { adapter, faults } = await initialized({
      handlers: {
        OidRequestHandler: (_context, request) => {
          request.DATA.BytesWritten = 5;
          return NDIS_STATUS_SUCCESS;
        },
      },
    });
    await expect(adapter.queryOid(OID_GEN_VENDOR_DRIVER_VERSION, 4)).rejects.toMatchObject({ code: 'E_OID' });
    await microtasks();
    expect(faults[0]).toMatchObject({ bugCheck: 0x1d });
  });

  it('that throws is a fault and the request fails', async () => {
    const { adapter, faults } = await initialized({
      handlers: {
        OidRequestHandler: () => {
          throw new Error('broken OID');
        },
      },
    });
    await expect(adapter.queryOid(OID_GEN_VENDOR_DRIVER_VERSION, 4)).rejects.toThrow(/NDIS_STATUS_FAILURE/);
    await microtasks();
    expect(faults).toHaveLength(1);
  });

  it('is spared what NDIS answers from the attributes', async () => {
    const { adapter, miniport } = await initialized();
    expect(u32(await adapter.queryOid(OID_GEN_MAXIMUM_FRAME_SIZE, 4))).toBe(1500);
    expect(u32(await adapter.queryOid(OID_GEN_MAC_OPTIONS, 4))).toBe(9);
    expect(await adapter.queryOid(OID_GEN_SUPPORTED_LIST, 64)).toHaveLength(8);
    const link = await adapter.queryOid(OID_GEN_LINK_STATE, 40);
    expect(u32(link, 4)).not.toBe(MediaConnectStateConnected);
    expect(u32(link, 16)).toBe(1e9);
    expect(u32(await adapter.queryOid(OID_GEN_CURRENT_PACKET_FILTER, 4))).toBe(0);
    expect(miniport.oids).toEqual([]);
  });

  it('is asked for the address first, NDIS knowing it from the attributes when it does not', async () => {
    const { adapter } = await initialized({ handlers: { OidRequestHandler: () => NDIS_STATUS_NOT_SUPPORTED } });
    expect([...(await adapter.queryOid(OID_802_3_CURRENT_ADDRESS, 6))]).toEqual([2, 0, 0, 1, 2, 3]);
  });

  it('is told apart from a buffer that is too short, with BytesNeeded', async () => {
    const { adapter } = await initialized();
    const request = makeOidRequest(NdisRequestQueryInformation, OID_GEN_SUPPORTED_LIST, new Uint8Array(4));
    expect(await adapter.oidRequest(request)).toBe(NDIS_STATUS_BUFFER_TOO_SHORT);
    expect(request.DATA.BytesNeeded).toBe(8);
  });

  it('answers the counter OIDs through OID_GEN_STATISTICS by the length of the buffer', async () => {
    const { adapter } = await initialized({
      handlers: { OidRequestHandler: (_context, request) => statistics(request) },
    });
    const ask = async (bytes: number) => {
      const request = makeOidRequest(NdisRequestQueryInformation, OID_GEN_BYTES_RCV, new Uint8Array(bytes));
      const status = await adapter.oidRequest(request);
      return { status, written: request.DATA.BytesWritten, needed: request.DATA.BytesNeeded };
    };
    expect(await ask(8)).toEqual({ status: NDIS_STATUS_SUCCESS, written: 8, needed: 0 });
    expect(await ask(4)).toEqual({ status: NDIS_STATUS_SUCCESS, written: 4, needed: 8 });
    expect(await ask(3)).toEqual({ status: NDIS_STATUS_INVALID_LENGTH, written: 0, needed: 8 });
    const all = await adapter.statistics();
    expect(all.ifInDiscards).toBe(2 ** 32);
    expect(all.ifHCOutBroadcastOctets).toBe(2 ** 32 + 17);
  });

  it('gets the union of the multicast lists without duplicates, and never more than MaxMulticastListSize', async () => {
    const { adapter, miniport } = await initialized();
    const mac = (last: number) => Uint8Array.of(1, 0, 0x5e, 0, 0, last);
    await adapter.setMulticastList([mac(1), mac(2), mac(1)]);
    expect(miniport.oids.at(-1)).toMatchObject({ oid: OID_802_3_MULTICAST_LIST });
    expect(miniport.oids.at(-1)?.bytes).toHaveLength(12);
    const count = miniport.oids.length;
    await expect(adapter.setMulticastList([1, 2, 3, 4, 5].map(mac))).rejects.toThrow(/NDIS_STATUS_MULTICAST_FULL/);
    expect(miniport.oids).toHaveLength(count);
    expect(await adapter.queryOid(OID_802_3_MULTICAST_LIST, 64)).toHaveLength(12);
    await adapter.setMulticastList([]);
    expect(miniport.oids.at(-1)?.bytes).toEqual([]);
  });

  it('that refuses a packet filter leaves the old one in force', async () => {
    let refuse = false;
    const { adapter } = await initialized({
      handlers: { OidRequestHandler: () => (refuse ? NDIS_STATUS_NOT_SUPPORTED : NDIS_STATUS_SUCCESS) },
    });
    await adapter.setPacketFilter(5);
    refuse = true;
    await expect(adapter.setPacketFilter(0x8000)).rejects.toThrow(/NDIS_STATUS_NOT_SUPPORTED/);
    expect(u32(await adapter.queryOid(OID_GEN_CURRENT_PACKET_FILTER, 4))).toBe(5);
  });

  it('gets a packet filter of a wrong length as it is, since the check is its own', async () => {
    const { adapter, miniport } = await initialized();
    await adapter.setOid(OID_GEN_CURRENT_PACKET_FILTER, Uint8Array.of(1, 0));
    expect(miniport.oids.at(-1)?.bytes).toEqual([1, 0]);
  });
});
