/** Rules of the page `mandatory-oids-for-miniport-drivers`: which OIDs NDIS answers by itself. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import * as ndis from '../../../src/ndis/index.ts';
import {
  type Adapter,
  MediaConnectStateConnected,
  MediaDuplexStateFull,
  NDIS_LINK_SPEED_UNKNOWN,
  NDIS_OBJECT_TYPE_STATUS_INDICATION,
  NDIS_STATUS_BUFFER_TOO_SHORT,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_LINK_STATE,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_SUCCESS,
  NdisMIndicateStatusEx,
  NdisRequestMethod,
  NdisRequestQueryInformation,
  NdisRequestQueryStatistics,
  NdisRequestSetInformation,
} from '../../../src/ndis/index.ts';
import { makeOidRequest } from '../../../src/ndis/oid.ts';
import { initialized } from './fake-miniport.ts';

const NAMED = { ...ndis };

const u32 = (bytes: Uint8Array, at = 0): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
const u64 = (bytes: Uint8Array, at = 0): bigint => new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true);

/** OID, bytes of its answer, and that answer with the attributes of the small miniport. */
const ANSWERED: readonly (readonly [keyof typeof NAMED, number, number])[] = [
  ['OID_GEN_MEDIA_SUPPORTED', 4, 0],
  ['OID_GEN_MEDIA_IN_USE', 4, 0],
  ['OID_GEN_MAXIMUM_LOOKAHEAD', 4, 1500],
  ['OID_GEN_MAXIMUM_FRAME_SIZE', 4, 1500],
  ['OID_GEN_LINK_SPEED', 4, 1e7],
  ['OID_GEN_MAC_OPTIONS', 4, 9],
  ['OID_GEN_MEDIA_CONNECT_STATUS', 4, 1],
  ['OID_GEN_PHYSICAL_MEDIUM', 4, 14],
  ['OID_GEN_PHYSICAL_MEDIUM_EX', 4, 14],
  ['OID_GEN_MEDIA_CONNECT_STATUS_EX', 4, 2],
  ['OID_GEN_MEDIA_DUPLEX_STATE', 4, 0],
  ['OID_GEN_LINK_SPEED_EX', 16, 1e9],
  ['OID_GEN_MAX_LINK_SPEED', 16, 1e9],
  ['OID_GEN_SUPPORTED_LIST', 8, 0x0001010e],
];

async function ask(adapter: Adapter, type: number, oid: number, bytes: number) {
  const request = makeOidRequest(type, oid, new Uint8Array(bytes));
  return { status: await adapter.oidRequest(request), data: request.DATA };
}

describe('OIDs answered from the attributes', () => {
  it.each(ANSWERED)('%s is answered by NDIS and the miniport is not asked', async (name, bytes, first) => {
    const { adapter, miniport } = await initialized();
    const answer = await adapter.queryOid(NAMED[name] as number, bytes);
    expect(answer).toHaveLength(bytes);
    expect(u32(answer)).toBe(first);
    expect(miniport.oids).toEqual([]);
  });

  it.each(ANSWERED)(
    '%s in a buffer one byte short is BUFFER_TOO_SHORT with BytesNeeded and no byte',
    async (name, bytes) => {
      const { adapter } = await initialized();
      const { status, data } = await ask(adapter, NdisRequestQueryInformation, NAMED[name] as number, bytes - 1);
      expect([status, data.BytesWritten, data.BytesNeeded]).toEqual([NDIS_STATUS_BUFFER_TOO_SHORT, 0, bytes]);
    },
  );

  it.each(ANSWERED)('%s cannot be set, and the set does not reach the miniport', async (name, bytes) => {
    const { adapter, miniport } = await initialized();
    const { status } = await ask(adapter, NdisRequestSetInformation, NAMED[name] as number, bytes);
    expect(status).toBe(NDIS_STATUS_NOT_SUPPORTED);
    expect(miniport.oids).toEqual([]);
  });

  it('follow the link: speed, connect and duplex state are those of the last indication', async () => {
    const { adapter, miniport } = await initialized();
    const { handle } = miniport;
    NdisMIndicateStatusEx(handle, {
      Header: { Type: NDIS_OBJECT_TYPE_STATUS_INDICATION, Revision: 1, Size: 112 },
      SourceHandle: handle,
      PortNumber: 0,
      StatusCode: NDIS_STATUS_LINK_STATE,
      Flags: 0,
      DestinationHandle: null,
      RequestId: null,
      StatusBuffer: {
        ...adapter.linkState,
        MediaConnectState: MediaConnectStateConnected,
        MediaDuplexState: MediaDuplexStateFull,
        XmitLinkSpeed: 1e8,
        RcvLinkSpeed: NDIS_LINK_SPEED_UNKNOWN,
      },
      StatusBufferSize: 40,
    });
    const speeds = await adapter.queryOid(ndis.OID_GEN_LINK_SPEED_EX, 16);
    expect([u64(speeds), u64(speeds, 8)]).toEqual([100_000_000n, 0xffff_ffff_ffff_ffffn]);
    expect(u32(await adapter.queryOid(ndis.OID_GEN_MEDIA_CONNECT_STATUS_EX, 4))).toBe(MediaConnectStateConnected);
    expect(u32(await adapter.queryOid(ndis.OID_GEN_MEDIA_DUPLEX_STATE, 4))).toBe(MediaDuplexStateFull);
    expect(u32(await adapter.queryOid(ndis.OID_GEN_MEDIA_CONNECT_STATUS, 4))).toBe(0);
  });

  it('are answered to a statistics query as to an information query', async () => {
    const { adapter } = await initialized();
    const { status } = await ask(adapter, NdisRequestQueryStatistics, ndis.OID_GEN_MAXIMUM_FRAME_SIZE, 4);
    expect(status).toBe(NDIS_STATUS_SUCCESS);
  });
});

describe('OIDs that reach the miniport', () => {
  it.each([
    'OID_GEN_CURRENT_LOOKAHEAD',
    'OID_GEN_INTERRUPT_MODERATION',
    'OID_GEN_MAXIMUM_TOTAL_SIZE',
    'OID_GEN_TRANSMIT_BUFFER_SPACE',
    'OID_GEN_RECEIVE_BUFFER_SPACE',
    'OID_GEN_TRANSMIT_BLOCK_SIZE',
    'OID_GEN_RECEIVE_BLOCK_SIZE',
    'OID_GEN_VENDOR_ID',
    'OID_GEN_VENDOR_DESCRIPTION',
    'OID_GEN_VENDOR_DRIVER_VERSION',
    'OID_GEN_XMIT_OK',
    'OID_GEN_RCV_OK',
    'OID_GEN_STATISTICS',
  ] as const)('%s is asked of the miniport, with the buffer as it is', async (name) => {
    const { adapter, miniport } = await initialized();
    const { status } = await ask(adapter, NdisRequestQueryInformation, NAMED[name], 3);
    expect(status).toBe(NDIS_STATUS_SUCCESS);
    expect(miniport.oids).toEqual([{ oid: NAMED[name], type: NdisRequestQueryInformation, bytes: [0, 0, 0] }]);
  });

  it('include method requests', async () => {
    const { adapter, miniport } = await initialized();
    await ask(adapter, NdisRequestMethod, 0x0101_0999, 8);
    expect(miniport.oids).toMatchObject([{ oid: 0x0101_0999, type: NdisRequestMethod }]);
  });

  it('are refused with INVALID_LENGTH when the length is more than the buffer has', async () => {
    const { adapter, miniport } = await initialized();
    const request = makeOidRequest(NdisRequestQueryInformation, ndis.OID_GEN_VENDOR_ID, new Uint8Array(4));
    request.DATA.InformationBufferLength = 5;
    expect(await adapter.oidRequest(request)).toBe(NDIS_STATUS_INVALID_LENGTH);
    expect(miniport.oids).toEqual([]);
  });
});

describe('a counter OID', () => {
  it('fails when the miniport leaves OID_GEN_STATISTICS unanswered', async () => {
    const { adapter } = await initialized();
    const { status } = await ask(adapter, NdisRequestQueryInformation, ndis.OID_GEN_BYTES_XMIT, 8);
    expect(status).toBe(NDIS_STATUS_FAILURE);
  });

  it('cannot be set', async () => {
    const { adapter, miniport } = await initialized();
    const { status } = await ask(adapter, NdisRequestSetInformation, ndis.OID_GEN_BYTES_XMIT, 8);
    expect(status).toBe(NDIS_STATUS_NOT_SUPPORTED);
    expect(miniport.oids).toEqual([]);
  });
});
