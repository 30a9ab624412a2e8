/** Rules of the pages `oid-gen-receive-scale-parameters` and `ns-ntddndis-_ndis_receive_scale_parameters`. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  encodeReceiveScaleParameters,
  NDIS_HASH_IPV4,
  NDIS_HASH_IPV6,
  NDIS_HASH_TCP_IPV4,
  NDIS_OBJECT_TYPE_RSS_CAPABILITIES,
  NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV4,
  NDIS_RSS_PARAM_FLAG_DISABLE_RSS,
  NDIS_RSS_PARAM_FLAG_HASH_KEY_UNCHANGED,
  NDIS_RSS_PARAM_FLAG_ITABLE_UNCHANGED,
  NDIS_STATUS_INVALID_DATA,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_SUCCESS,
  NdisHashFunctionToeplitz,
  NdisRequestSetInformation,
  NET_BUFFER_LIST_GET_HASH_FUNCTION,
  NET_BUFFER_LIST_GET_HASH_TYPE,
  NET_BUFFER_LIST_GET_HASH_VALUE,
  NET_BUFFER_LIST_SET_HASH_FUNCTION,
  NET_BUFFER_LIST_SET_HASH_TYPE,
  NET_BUFFER_LIST_SET_HASH_VALUE,
  OID_GEN_RECEIVE_HASH,
  OID_GEN_RECEIVE_SCALE_CAPABILITIES,
  OID_GEN_RECEIVE_SCALE_PARAMETERS,
  readReceiveScaleParameters,
} from '../../../src/ndis/index.ts';
import { NetBufferList } from '../../../src/ndis/net-buffer-list.ts';
import { makeOidRequest } from '../../../src/ndis/oid.ts';
import { initialized } from './fake-miniport.ts';

const HASH = NdisHashFunctionToeplitz | NDIS_HASH_IPV4 | NDIS_HASH_TCP_IPV4;
const KEY = Uint8Array.from({ length: 40 }, (_, index) => index + 1);
const LIMITS = { hashTypes: NDIS_HASH_IPV4 | NDIS_HASH_TCP_IPV4, processors: 4 };

/** A legal set, with bytes changed: offset -> 16-bit value. */
function read(changes: readonly (readonly [number, number])[] = [], processors = [0, 1, 2, 3], cut = 0) {
  const bytes = encodeReceiveScaleParameters(HASH, processors, KEY);
  const view = new DataView(bytes.buffer);
  for (const [at, value] of changes) view.setUint16(at, value, true);
  const buffer = bytes.subarray(0, bytes.length - cut);
  const { DATA } = makeOidRequest(NdisRequestSetInformation, OID_GEN_RECEIVE_SCALE_PARAMETERS, buffer);
  return { ...readReceiveScaleParameters(DATA, LIMITS), DATA };
}

describe('a set of the RSS parameters', () => {
  it('gives hash types, table and key, and reads the whole buffer', () => {
    const { status, parameters, DATA } = read();
    expect(status).toBe(NDIS_STATUS_SUCCESS);
    expect(parameters).toMatchObject({ disabled: false, HashInformation: HASH, BaseCpuNumber: 0 });
    expect(parameters?.IndirectionTable?.map((one) => one.Number)).toEqual([0, 1, 2, 3]);
    expect([...(parameters?.HashSecretKey ?? [])]).toEqual([...KEY]);
    expect(DATA.BytesRead).toBe(40 + 16 + 40);
  });

  it('of revision 1 has a byte per table entry, of revision 3 a default processor', () => {
    const one = new Uint8Array(28 + 2 + 40);
    const view = new DataView(one.buffer);
    one.set([0x89, 1, 28, 0]);
    view.setUint32(8, HASH, true);
    view.setUint16(12, 2, true);
    view.setUint32(16, 28, true);
    view.setUint16(20, 40, true);
    view.setUint32(24, 30, true);
    one.set([3, 1], 28);
    const ask = (bytes: Uint8Array) =>
      readReceiveScaleParameters(makeOidRequest(NdisRequestSetInformation, 0, bytes).DATA, LIMITS);
    expect(ask(one).parameters?.IndirectionTable?.map((entry) => entry.Number)).toEqual([3, 1]);
    const three = new Uint8Array(44 + 4 + 40);
    const wide = new DataView(three.buffer);
    three.set([0x89, 3, 44, 0]);
    wide.setUint32(8, HASH, true);
    wide.setUint16(12, 4, true);
    wide.setUint32(16, 44, true);
    wide.setUint16(20, 40, true);
    wide.setUint32(24, 48, true);
    three[42] = 2;
    expect(ask(three).parameters?.DefaultProcessorNumber).toEqual({ Group: 0, Number: 2 });
    three[42] = 9;
    expect(ask(three).status).toBe(NDIS_STATUS_INVALID_DATA);
  });

  it('shorter than its structure, or than the table or key it names, is INVALID_LENGTH with BytesNeeded', () => {
    expect(read([], [0], 60)).toMatchObject({ status: NDIS_STATUS_INVALID_LENGTH, DATA: { BytesNeeded: 28 } });
    expect(read([], [0], 50)).toMatchObject({ status: NDIS_STATUS_INVALID_LENGTH, DATA: { BytesNeeded: 40 } });
    expect(read([], [0, 1, 2, 3], 50)).toMatchObject({ status: NDIS_STATUS_INVALID_LENGTH, DATA: { BytesNeeded: 56 } });
    expect(read([], [0, 1, 2, 3], 1)).toMatchObject({
      status: NDIS_STATUS_INVALID_LENGTH,
      DATA: { BytesNeeded: 96, BytesRead: 0 },
    });
  });

  it.each([
    ['another structure', [[0, 0x0280]]],
    ['an unknown revision', [[0, 0x0989]]],
    ['an unknown hash function', [[8, NDIS_HASH_IPV4 | 2]]],
    ['no hash type', [[8, NdisHashFunctionToeplitz]]],
    ['a hash type the miniport lacks', [[8, NdisHashFunctionToeplitz | NDIS_HASH_IPV6]]],
    ['a table that is no power of two', [[12, 12]]],
    ['a table with a part of an entry', [[12, 6]]],
    ['no table', [[12, 0]]],
    ['a table inside the structure', [[16, 8]]],
    ['a processor of another group', [[40, 1]]],
    ['a processor there is not', [[42, 4]]],
    ['a key that is not 40 bytes', [[20, 39]]],
    ['a key inside the structure', [[24, 8]]],
  ] as const)('with %s is INVALID_DATA', (_what, changes) => {
    expect(read(changes)).toMatchObject({ status: NDIS_STATUS_INVALID_DATA, parameters: null, DATA: { BytesRead: 0 } });
  });

  it('with more than 128 entries is INVALID_DATA, with 128 it is not', () => {
    expect(read([], Array(256).fill(0)).status).toBe(NDIS_STATUS_INVALID_DATA);
    expect(read([], Array(128).fill(3)).status).toBe(NDIS_STATUS_SUCCESS);
  });

  it('that disables RSS, by flag or by hash function 0, is checked no further', () => {
    expect(
      read([
        [4, NDIS_RSS_PARAM_FLAG_DISABLE_RSS],
        [12, 3],
        [20, 1],
      ] as const).parameters?.disabled,
    ).toBe(true);
    expect(
      read([
        [8, 0],
        [12, 3],
      ] as const).parameters?.disabled,
    ).toBe(true);
  });

  it('that leaves table or key out, being unchanged, leaves them as they were; given ones count in spite of the hint', () => {
    const hints = NDIS_RSS_PARAM_FLAG_ITABLE_UNCHANGED | NDIS_RSS_PARAM_FLAG_HASH_KEY_UNCHANGED;
    const without = read([
      [4, hints],
      [12, 0],
      [20, 0],
    ] as const);
    expect(without.parameters).toMatchObject({ IndirectionTable: null, HashSecretKey: null });
    expect(read([[4, hints]] as const).parameters?.IndirectionTable).toHaveLength(4);
  });
});

describe('OID_GEN_RECEIVE_SCALE_PARAMETERS', () => {
  const RSS = {
    general: {
      RecvScaleCapabilities: {
        Header: { Type: NDIS_OBJECT_TYPE_RSS_CAPABILITIES, Revision: 2, Size: 18 },
        CapabilitiesFlags: NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV4 | NdisHashFunctionToeplitz,
        NumberOfInterruptMessages: 4,
        NumberOfReceiveQueues: 2,
        NumberOfIndirectionTableEntries: 128,
      },
    },
  };
  const parameters = encodeReceiveScaleParameters(HASH, [0, 1], KEY);

  it('reaches a miniport with RSS capabilities with a set only; NDIS answers the query from the last one', async () => {
    const { adapter, miniport } = await initialized(RSS);
    await expect(adapter.queryOid(OID_GEN_RECEIVE_SCALE_PARAMETERS, 200)).rejects.toThrow(/NOT_SUPPORTED/);
    await adapter.setOid(OID_GEN_RECEIVE_SCALE_PARAMETERS, parameters);
    expect([...(await adapter.queryOid(OID_GEN_RECEIVE_SCALE_PARAMETERS, 200))]).toEqual([...parameters]);
    expect(miniport.oids).toHaveLength(1);
  });

  it('is not sent to a miniport without them, whose capabilities are NOT_SUPPORTED', async () => {
    const { adapter, miniport } = await initialized();
    await expect(adapter.setOid(OID_GEN_RECEIVE_SCALE_PARAMETERS, parameters)).rejects.toThrow(/NOT_SUPPORTED/);
    await expect(adapter.queryOid(OID_GEN_RECEIVE_SCALE_CAPABILITIES, 64)).rejects.toThrow(/NOT_SUPPORTED/);
    expect(miniport.oids).toEqual([]);
  });

  it('has its capabilities answered by NDIS from the attributes', async () => {
    const { adapter, miniport } = await initialized(RSS);
    const bytes = await adapter.queryOid(OID_GEN_RECEIVE_SCALE_CAPABILITIES, 18);
    expect([...bytes]).toEqual([0x88, 2, 18, 0, 1, 1, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 128, 0]);
    expect(miniport.oids).toEqual([]);
  });

  it('excludes OID_GEN_RECEIVE_HASH, and is excluded by it, while one is on', async () => {
    const hash = Uint8Array.of(0x80, 1, 16, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0);
    const off = Uint8Array.from(hash, (byte, at) => (at === 4 ? 0 : byte));
    const { adapter } = await initialized(RSS);
    await adapter.setOid(OID_GEN_RECEIVE_SCALE_PARAMETERS, parameters);
    await expect(adapter.setOid(OID_GEN_RECEIVE_HASH, hash)).rejects.toThrow(/NOT_SUPPORTED/);
    await adapter.setOid(
      OID_GEN_RECEIVE_SCALE_PARAMETERS,
      encodeReceiveScaleParameters(HASH, [0], KEY, NDIS_RSS_PARAM_FLAG_DISABLE_RSS),
    );
    await adapter.setOid(OID_GEN_RECEIVE_HASH, hash);
    await expect(adapter.setOid(OID_GEN_RECEIVE_SCALE_PARAMETERS, parameters)).rejects.toThrow(/NOT_SUPPORTED/);
    await adapter.setOid(OID_GEN_RECEIVE_HASH, off);
    await adapter.setOid(OID_GEN_RECEIVE_SCALE_PARAMETERS, parameters);
  });
});

describe('the hash out-of-band data of an NBL', () => {
  it('keeps value, type and function apart', () => {
    const nbl = new NetBufferList(null, null, null);
    NET_BUFFER_LIST_SET_HASH_FUNCTION(nbl, NdisHashFunctionToeplitz);
    NET_BUFFER_LIST_SET_HASH_TYPE(nbl, NDIS_HASH_TCP_IPV4);
    NET_BUFFER_LIST_SET_HASH_VALUE(nbl, -1);
    expect(NET_BUFFER_LIST_GET_HASH_VALUE(nbl)).toBe(0xffff_ffff);
    expect(NET_BUFFER_LIST_GET_HASH_TYPE(nbl)).toBe(NDIS_HASH_TCP_IPV4);
    expect(NET_BUFFER_LIST_GET_HASH_FUNCTION(nbl)).toBe(NdisHashFunctionToeplitz);
    NET_BUFFER_LIST_SET_HASH_TYPE(nbl, NDIS_HASH_IPV4);
    NET_BUFFER_LIST_SET_HASH_FUNCTION(nbl, 0);
    expect([NET_BUFFER_LIST_GET_HASH_TYPE(nbl), NET_BUFFER_LIST_GET_HASH_FUNCTION(nbl)]).toEqual([NDIS_HASH_IPV4, 0]);
  });
});
