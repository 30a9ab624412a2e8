/** Rules of the page `nf-ndis-ndismindicatestatusex`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  MediaConnectStateConnected,
  MediaConnectStateDisconnected,
  MediaDuplexStateFull,
  type NDIS_HANDLE,
  type NDIS_LINK_STATE,
  NDIS_OBJECT_TYPE_DEFAULT,
  NDIS_OBJECT_TYPE_STATUS_INDICATION,
  NDIS_SIZEOF_LINK_STATE_REVISION_1,
  NDIS_STATUS_INDICATION_REQUIRED,
  NDIS_STATUS_LINK_STATE,
  NDIS_STATUS_SUCCESS,
  NdisMIndicateStatusEx,
} from '../../../src/ndis/index.ts';
import { bench, bind, initialized } from './fake-miniport.ts';
import { microtasks } from './fake-pci.ts';

function link(state: 0 | 1 | 2): NDIS_LINK_STATE {
  return {
    Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: 40 },
    MediaConnectState: state,
    MediaDuplexState: MediaDuplexStateFull,
    XmitLinkSpeed: 1e9,
    RcvLinkSpeed: 1e9,
    PauseFunctions: 0,
    AutoNegotiationFlags: 0,
  };
}

function indicate(
  handle: NDIS_HANDLE,
  StatusBuffer: unknown,
  StatusCode = NDIS_STATUS_LINK_STATE,
  StatusBufferSize = NDIS_SIZEOF_LINK_STATE_REVISION_1,
): void {
  NdisMIndicateStatusEx(handle, {
    Header: { Type: NDIS_OBJECT_TYPE_STATUS_INDICATION, Revision: 1, Size: 112 },
    SourceHandle: handle,
    PortNumber: 0,
    StatusCode,
    Flags: 0,
    DestinationHandle: null,
    RequestId: null,
    StatusBuffer,
    StatusBufferSize,
  });
}

describe('NdisMIndicateStatusEx', () => {
  it('passes a link change to host and protocols once per change, not its repetition', async () => {
    const { adapter, miniport } = await initialized();
    const protocol = bind(adapter);
    const seen: number[] = [];
    adapter.onLink((state) => seen.push(state.MediaConnectState));
    indicate(miniport.handle, link(MediaConnectStateConnected));
    indicate(miniport.handle, link(MediaConnectStateConnected));
    indicate(miniport.handle, link(MediaConnectStateDisconnected));
    indicate(miniport.handle, link(MediaConnectStateDisconnected));
    expect(seen).toEqual([MediaConnectStateConnected, MediaConnectStateDisconnected]);
    expect(protocol.statuses).toEqual([NDIS_STATUS_LINK_STATE, NDIS_STATUS_LINK_STATE]);
    expect(adapter.linkState.MediaConnectState).toBe(MediaConnectStateDisconnected);
  });

  it('takes a copy, as the buffer is the miniport’s again afterwards', async () => {
    const { adapter, miniport } = await initialized();
    const state = link(MediaConnectStateConnected);
    indicate(miniport.handle, state);
    state.MediaConnectState = MediaConnectStateDisconnected;
    expect(adapter.linkState.MediaConnectState).toBe(MediaConnectStateConnected);
  });

  it('is legal in MiniportInitializeEx after the attributes', async () => {
    const { adapter } = await initialized({
      initialized: (miniport) => {
        indicate(miniport.handle, link(MediaConnectStateConnected));
        return NDIS_STATUS_SUCCESS;
      },
    });
    expect(adapter.linkState.MediaConnectState).toBe(MediaConnectStateConnected);
  });

  it('passes other codes on as they are', async () => {
    const { adapter, miniport } = await initialized();
    const codes: number[] = [];
    adapter.onStatus((indication) => codes.push(indication.StatusCode));
    indicate(miniport.handle, null, NDIS_STATUS_INDICATION_REQUIRED, 0);
    expect(codes).toEqual([NDIS_STATUS_INDICATION_REQUIRED]);
  });

  it.each([
    ['no buffer', null, 40],
    ['a size too small', link(1), 36],
  ])('with %s for a link state is bug check 0x7C/0x20', async (_what, buffer, size) => {
    const { miniport, faults } = await initialized();
    indicate(miniport.handle, buffer, NDIS_STATUS_LINK_STATE, size);
    await microtasks();
    expect(faults[0]).toMatchObject({ bugCheck: 0x20 });
  });

  it('is dropped and reported after halt, and refused at DIRQL', async () => {
    let thrown: unknown = null;
    const made = await bench({
      isr: () => {
        try {
          indicate(made.miniport.handle, link(1));
        } catch (error) {
          thrown = error;
        }
        return true;
      },
    });
    await made.adapter.initialize();
    made.pci.armed.fire(0);
    expect(thrown).toMatchObject({ code: 'E_STATE' });
    await made.adapter.halt();
    const seen: unknown[] = [];
    made.adapter.onLink((state) => seen.push(state));
    indicate(made.miniport.handle, link(1));
    expect(seen).toEqual([]);
    expect(made.log.some((entry) => entry.message.startsWith('NdisMIndicateStatusEx'))).toBe(true);
  });
});
