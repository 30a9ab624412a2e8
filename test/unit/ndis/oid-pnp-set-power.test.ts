/** Rules of the pages `oid-pnp-set-power`, `oid-pnp-query-power` and `nc-ndis-miniport_device_pnp_event_notify`. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  type NDIS_HANDLE,
  NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER,
  NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE,
  NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND,
  NDIS_MINIPORT_ATTRIBUTES_NO_PAUSE_ON_SUSPEND,
  type NDIS_STATUS,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_LOW_POWER_STATE,
  NDIS_STATUS_SUCCESS,
  NdisDevicePnPEventPowerProfileChanged,
  NdisDeviceStateD0,
  NdisDeviceStateD2,
  NdisDeviceStateD3,
  NdisHaltDeviceFailed,
  NdisHaltDevicePoweredDown,
  NdisPowerProfileAcOnline,
  NdisPowerProfileBattery,
  NdisRequestQueryInformation,
  NdisSendNetBufferLists,
  OID_GEN_VENDOR_ID,
  OID_PNP_QUERY_POWER,
  OID_PNP_SET_POWER,
} from '../../../src/ndis/index.ts';
import { makeOidRequest } from '../../../src/ndis/oid.ts';
import { type Bench, bind, type MiniportScript, running } from './fake-miniport.ts';

const BASE = NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE | NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER;
const STAYS = { registration: { AttributeFlags: BASE | NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND } };
const RUNS_ON = {
  registration: {
    AttributeFlags: BASE | NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND | NDIS_MINIPORT_ATTRIBUTES_NO_PAUSE_ON_SUSPEND,
  },
};

/** Running, its log empty; power OIDs are written into the log. */
async function powered(script: MiniportScript, status: NDIS_STATUS = NDIS_STATUS_SUCCESS): Promise<Bench> {
  const made = await running({
    ...script,
    handlers: {
      OidRequestHandler: (_context, { DATA }) => {
        const value = DATA.InformationBuffer?.[0];
        if (DATA.Oid === OID_PNP_QUERY_POWER) made.miniport.log.push(`query ${value}`);
        if (DATA.Oid !== OID_PNP_SET_POWER) return NDIS_STATUS_SUCCESS;
        made.miniport.log.push(`set ${value}`);
        return value === NdisDeviceStateD0 ? status : NDIS_STATUS_SUCCESS;
      },
      ...script.handlers,
    },
  });
  made.miniport.log.length = 0;
  return made;
}

describe('a driver that is halted for sleep', () => {
  it('is paused and halted with PoweredDown, and initialized and restarted for D0', async () => {
    const { adapter, miniport } = await powered({});
    await adapter.setPower(NdisDeviceStateD3);
    expect([adapter.state, adapter.powerState]).toEqual(['Halted', NdisDeviceStateD3]);
    await adapter.setPower(NdisDeviceStateD0);
    expect([adapter.state, adapter.powerState]).toEqual(['Running', NdisDeviceStateD0]);
    expect(miniport.log).toEqual(['pause', `halt ${NdisHaltDevicePoweredDown}`, 'initialize', 'restart']);
  });

  it('that was Paused is Paused again', async () => {
    const { adapter } = await powered({});
    await adapter.pause();
    await adapter.setPower(NdisDeviceStateD3);
    await adapter.setPower(NdisDeviceStateD0);
    expect(adapter.state).toBe('Paused');
  });

  it('may be initialized by the host instead, which is D0', async () => {
    const { adapter } = await powered({});
    await adapter.setPower(NdisDeviceStateD3);
    await adapter.initialize();
    expect([adapter.state, adapter.powerState]).toEqual(['Paused', NdisDeviceStateD0]);
  });
});

describe('OID_PNP_SET_POWER', () => {
  it('follows OID_PNP_QUERY_POWER and a pause, and keeps the interrupt', async () => {
    const { adapter, miniport, pci } = await powered(STAYS);
    const { interrupt } = adapter;
    await adapter.setPower(NdisDeviceStateD3);
    expect(miniport.log).toEqual(['query 4', 'pause', 'set 4']);
    expect([adapter.state, adapter.interrupt]).toEqual(['Paused', interrupt]);
    expect(pci.busMaster).toBe(false);
    await adapter.setPower(NdisDeviceStateD0);
    expect(miniport.log.slice(3)).toEqual(['set 1', 'restart']);
    expect([adapter.state, adapter.interrupt, pci.busMaster]).toEqual(['Running', interrupt, true]);
  });

  it('reaches a Running miniport with NO_PAUSE_ON_SUSPEND, and no restart follows', async () => {
    const { adapter, miniport } = await powered(RUNS_ON);
    await adapter.setPower(NdisDeviceStateD2);
    expect([adapter.state, miniport.log]).toEqual(['Running', ['query 3', 'set 3']]);
    await adapter.setPower(NdisDeviceStateD0);
    expect(miniport.log).toEqual(['query 3', 'set 3', 'set 1']);
  });

  it('answers sends LOW_POWER_STATE until D0, and no other OID reaches the miniport', async () => {
    const { adapter, miniport } = await powered(RUNS_ON);
    const protocol = bind(adapter);
    const send = (): void => NdisSendNetBufferLists(protocol.handle as NDIS_HANDLE, miniport.takeChain(1), 0, 0);
    await adapter.setPower(NdisDeviceStateD3);
    send();
    expect(protocol.completed.map((nbl) => nbl.Status)).toEqual([NDIS_STATUS_LOW_POWER_STATE]);
    const request = makeOidRequest(NdisRequestQueryInformation, OID_GEN_VENDOR_ID, new Uint8Array(4));
    expect(await adapter.oidRequest(request)).toBe(NDIS_STATUS_LOW_POWER_STATE);
    await expect(adapter.reset()).rejects.toThrow(/low power/);
    await adapter.setPower(NdisDeviceStateD0);
    send();
    expect(miniport.sends).toHaveLength(1);
  });

  it('to low power must succeed: a refusal is reported, and the power goes all the same', async () => {
    const { adapter, log } = await powered({
      ...STAYS,
      handlers: {
        OidRequestHandler: (_context, { DATA }) =>
          DATA.Oid === OID_PNP_SET_POWER ? NDIS_STATUS_FAILURE : NDIS_STATUS_SUCCESS,
      },
    });
    await adapter.setPower(NdisDeviceStateD3);
    expect(adapter.powerState).toBe(NdisDeviceStateD3);
    expect(log.filter((entry) => entry.message.startsWith('POWER')).map((entry) => entry.message)).toEqual([
      'POWER: OID_PNP_SET_POWER to low power must succeed and was answered NDIS_STATUS_FAILURE',
    ]);
  });

  it('refused for D0 ends in a halt with DeviceFailed', async () => {
    const { adapter, miniport } = await powered(STAYS, NDIS_STATUS_FAILURE);
    await adapter.setPower(NdisDeviceStateD3);
    await expect(adapter.setPower(NdisDeviceStateD0)).rejects.toMatchObject({ code: 'E_OID' });
    expect([adapter.state, miniport.log.at(-1)]).toEqual(['Halted', `halt ${NdisHaltDeviceFailed}`]);
  });

  it('goes from D0 and back to it only, from Paused or Running only', async () => {
    const { adapter } = await powered(STAYS);
    await adapter.setPower(NdisDeviceStateD0);
    await adapter.setPower(NdisDeviceStateD2);
    await expect(adapter.setPower(NdisDeviceStateD3)).rejects.toMatchObject({ code: 'E_STATE' });
    await adapter.setPower(NdisDeviceStateD0);
    await adapter.pause();
    await adapter.halt();
    await expect(adapter.setPower(NdisDeviceStateD3)).rejects.toMatchObject({ code: 'E_STATE' });
  });

  it('stops MiniportCheckForHangEx until D0', async () => {
    let checks = 0;
    const { adapter, clock } = await powered({
      ...STAYS,
      handlers: {
        CheckForHangHandlerEx: () => {
          checks++;
          return false;
        },
        ResetHandlerEx: () => NDIS_STATUS_SUCCESS,
      },
    });
    await adapter.setPower(NdisDeviceStateD3);
    await clock.pass(10_000);
    expect(checks).toBe(0);
    await adapter.setPower(NdisDeviceStateD0);
    await clock.pass(2000);
    expect(checks).toBe(1);
  });

  it('does not keep a device that vanishes in its sleep from being halted', async () => {
    const { adapter, miniport } = await powered(RUNS_ON);
    await adapter.setPower(NdisDeviceStateD3);
    await adapter.surpriseRemoved();
    expect([adapter.state, miniport.log.at(-1)]).toEqual(['Halted', 'halt 3']);
  });
});

describe('NdisDevicePnPEventPowerProfileChanged', () => {
  it('follows the initialization and every way back to D0, and says battery or mains', async () => {
    for (const profile of [NdisPowerProfileBattery, NdisPowerProfileAcOnline] as const) {
      const events: number[][] = [];
      const { adapter } = await running(
        {
          ...STAYS,
          handlers: {
            DevicePnPEventNotifyHandler: (_context, event) => {
              events.push([event.DevicePnPEvent, event.InformationBufferLength, ...(event.InformationBuffer ?? [])]);
            },
          },
        },
        {},
        profile === NdisPowerProfileAcOnline ? {} : { powerProfile: profile },
      );
      const told = [NdisDevicePnPEventPowerProfileChanged, 4, profile, 0, 0, 0];
      expect(events).toEqual([told]);
      await adapter.setPower(NdisDeviceStateD3);
      await adapter.setPower(NdisDeviceStateD0);
      expect(events).toEqual([told, told]);
    }
  });
});
