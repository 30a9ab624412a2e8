/** Rules of the page `oid-gen-interrupt-moderation`, asked of the Intel miniports. Layer: test (miniports). */
import { describe, expect, it } from 'vitest';
import { handleOid, type OidTarget } from '../../../src/miniports/intel/oids.ts';
import {
  NDIS_SIZEOF_INTERRUPT_MODERATION_PARAMETERS_REVISION_1,
  NDIS_STATUS_INVALID_DATA,
  NDIS_STATUS_SUCCESS,
  NdisInterruptModerationDisabled,
  NdisInterruptModerationEnabled,
  NdisInterruptModerationNotSupported,
  NdisInterruptModerationUnknown,
  NdisRequestQueryInformation,
  NdisRequestSetInformation,
  OID_GEN_INTERRUPT_MODERATION,
} from '../../../src/ndis/index.ts';
import { makeOidRequest } from '../../../src/ndis/oid.ts';

const BYTES = NDIS_SIZEOF_INTERRUPT_MODERATION_PARAMETERS_REVISION_1;

class Moderated {
  moderation = true;
  setModeration(on: boolean): void {
    this.moderation = on;
  }
}

function query(target: Moderated): number {
  const request = makeOidRequest(NdisRequestQueryInformation, OID_GEN_INTERRUPT_MODERATION, new Uint8Array(BYTES));
  expect(handleOid(target as unknown as OidTarget, request)).toBe(NDIS_STATUS_SUCCESS);
  const bytes = request.DATA.InformationBuffer as Uint8Array;
  expect([...bytes.subarray(0, 8)]).toEqual([0x80, 1, 12, 0, 0, 0, 0, 0]);
  return bytes[8] as number;
}

function set(target: Moderated, value: number): number {
  const bytes = Uint8Array.of(0x80, 1, 12, 0, 0, 0, 0, 0, value, 0, 0, 0);
  const request = makeOidRequest(NdisRequestSetInformation, OID_GEN_INTERRUPT_MODERATION, bytes);
  return handleOid(target as unknown as OidTarget, request);
}

describe('OID_GEN_INTERRUPT_MODERATION', () => {
  it('says Enabled or Disabled, as it is, under a header of its own', () => {
    const target = new Moderated();
    expect(query(target)).toBe(NdisInterruptModerationEnabled);
    target.moderation = false;
    expect(query(target)).toBe(NdisInterruptModerationDisabled);
  });

  it('turns moderation off and on', () => {
    const target = new Moderated();
    expect(set(target, NdisInterruptModerationDisabled)).toBe(NDIS_STATUS_SUCCESS);
    expect(target.moderation).toBe(false);
    expect(set(target, NdisInterruptModerationEnabled)).toBe(NDIS_STATUS_SUCCESS);
    expect(target.moderation).toBe(true);
  });

  it.each([NdisInterruptModerationUnknown, NdisInterruptModerationNotSupported, 4])(
    'set to %i is INVALID_DATA',
    (value) => {
      const target = new Moderated();
      expect(set(target, value)).toBe(NDIS_STATUS_INVALID_DATA);
      expect(target.moderation).toBe(true);
    },
  );
});
