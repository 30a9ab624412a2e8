/** Rules of the page `querying-64-bit-statistics-oids`: every counter, every length of the buffer. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import * as ndis from '../../../src/ndis/index.ts';
import {
  type NDIS_OID_REQUEST,
  NDIS_STATISTICS_FIELDS,
  type NDIS_STATUS,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_SUCCESS,
  NdisRequestQueryInformation,
  OID_GEN_STATISTICS,
} from '../../../src/ndis/index.ts';
import { makeOidRequest } from '../../../src/ndis/oid.ts';
import { initialized } from './fake-miniport.ts';

const NAMED = { ...ndis };

/** Counter i is 2^32 * (i + 1) + i. */
function statistics(request: NDIS_OID_REQUEST): NDIS_STATUS {
  const view = new DataView((request.DATA.InformationBuffer as Uint8Array).buffer);
  for (let index = 0; index < NDIS_STATISTICS_FIELDS.length; index++) {
    view.setUint32(8 + index * 8, index, true);
    view.setUint32(12 + index * 8, index + 1, true);
  }
  request.DATA.BytesWritten = 152;
  return NDIS_STATUS_SUCCESS;
}

const COUNTERS: readonly (readonly [keyof typeof NAMED, (typeof NDIS_STATISTICS_FIELDS)[number]])[] = [
  ['OID_GEN_XMIT_ERROR', 'ifOutErrors'],
  ['OID_GEN_RCV_ERROR', 'ifInErrors'],
  ['OID_GEN_RCV_NO_BUFFER', 'ifInDiscards'],
  ['OID_GEN_RCV_DISCARDS', 'ifInDiscards'],
  ['OID_GEN_XMIT_DISCARDS', 'ifOutDiscards'],
  ['OID_GEN_BYTES_RCV', 'ifHCInOctets'],
  ['OID_GEN_BYTES_XMIT', 'ifHCOutOctets'],
  ['OID_GEN_DIRECTED_BYTES_XMIT', 'ifHCOutUcastOctets'],
  ['OID_GEN_DIRECTED_FRAMES_XMIT', 'ifHCOutUcastPkts'],
  ['OID_GEN_MULTICAST_BYTES_XMIT', 'ifHCOutMulticastOctets'],
  ['OID_GEN_MULTICAST_FRAMES_XMIT', 'ifHCOutMulticastPkts'],
  ['OID_GEN_BROADCAST_BYTES_XMIT', 'ifHCOutBroadcastOctets'],
  ['OID_GEN_BROADCAST_FRAMES_XMIT', 'ifHCOutBroadcastPkts'],
  ['OID_GEN_DIRECTED_BYTES_RCV', 'ifHCInUcastOctets'],
  ['OID_GEN_DIRECTED_FRAMES_RCV', 'ifHCInUcastPkts'],
  ['OID_GEN_MULTICAST_BYTES_RCV', 'ifHCInMulticastOctets'],
  ['OID_GEN_MULTICAST_FRAMES_RCV', 'ifHCInMulticastPkts'],
  ['OID_GEN_BROADCAST_BYTES_RCV', 'ifHCInBroadcastOctets'],
  ['OID_GEN_BROADCAST_FRAMES_RCV', 'ifHCInBroadcastPkts'],
];

describe('a 64-bit counter', () => {
  it.each(COUNTERS)('%s is %s of OID_GEN_STATISTICS, whole in 8 bytes', async (name, field) => {
    const asked: number[] = [];
    const { adapter } = await initialized({
      handlers: {
        OidRequestHandler: (_context, request) => {
          asked.push(request.DATA.Oid);
          return statistics(request);
        },
      },
    });
    const bytes = await adapter.queryOid(NAMED[name] as number, 8);
    const index = NDIS_STATISTICS_FIELDS.indexOf(field);
    const value = new DataView(bytes.buffer).getBigUint64(0, true);
    expect(value).toBe((BigInt(index + 1) << 32n) + BigInt(index));
    expect(asked).toEqual([OID_GEN_STATISTICS]);
  });

  it.each([0, 1, 3])('in a buffer of %i bytes is INVALID_LENGTH, 8 needed, nothing written', async (length) => {
    const { adapter } = await initialized({ handlers: { OidRequestHandler: (_context, r) => statistics(r) } });
    const request = makeOidRequest(NdisRequestQueryInformation, ndis.OID_GEN_BYTES_RCV, new Uint8Array(length));
    expect(await adapter.oidRequest(request)).toBe(NDIS_STATUS_INVALID_LENGTH);
    expect([request.DATA.BytesWritten, request.DATA.BytesNeeded]).toEqual([0, 8]);
    expect([...(request.DATA.InformationBuffer as Uint8Array)].every((byte) => byte === 0)).toBe(true);
  });

  it.each([4, 5, 7])(
    'in a buffer of %i bytes is its low 32 bits and SUCCESS, with 8 as BytesNeeded',
    async (length) => {
      const { adapter } = await initialized({ handlers: { OidRequestHandler: (_context, r) => statistics(r) } });
      const request = makeOidRequest(NdisRequestQueryInformation, ndis.OID_GEN_BYTES_RCV, new Uint8Array(length));
      expect(await adapter.oidRequest(request)).toBe(NDIS_STATUS_SUCCESS);
      expect([request.DATA.BytesWritten, request.DATA.BytesNeeded]).toEqual([4, 8]);
      const buffer = request.DATA.InformationBuffer as Uint8Array;
      expect([...buffer]).toEqual([2, ...Array(length - 1).fill(0)]);
    },
  );

  it('in a buffer of more than 8 bytes takes 8 of them', async () => {
    const { adapter } = await initialized({ handlers: { OidRequestHandler: (_context, r) => statistics(r) } });
    const request = makeOidRequest(NdisRequestQueryInformation, ndis.OID_GEN_BYTES_RCV, new Uint8Array(12).fill(9));
    expect(await adapter.oidRequest(request)).toBe(NDIS_STATUS_SUCCESS);
    expect(request.DATA.BytesWritten).toBe(8);
    expect([...(request.DATA.InformationBuffer as Uint8Array).subarray(8)]).toEqual([9, 9, 9, 9]);
  });
});
