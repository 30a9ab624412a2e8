/** Rules of the page `nf-ndis-ndismregisterminiportdriver`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  type DRIVER_OBJECT,
  KeGetCurrentIrql,
  loadDriver,
  type MiniportModule,
  type NDIS_HANDLE,
  type NDIS_MINIPORT_DRIVER_CHARACTERISTICS,
  type NDIS_STATUS,
  NDIS_STATUS_BAD_CHARACTERISTICS,
  NDIS_STATUS_BAD_VERSION,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_INVALID_PARAMETER,
  NDIS_STATUS_NOT_ACCEPTED,
  NDIS_STATUS_RESOURCES,
  NDIS_STATUS_SUCCESS,
  NdisMRegisterMiniportDriver,
  out,
  PASSIVE_LEVEL,
} from '../../../src/ndis/index.ts';
import { bench, driverCharacteristics, initialized, moduleOf, TestMiniport } from './fake-miniport.ts';

async function register(change: Partial<NDIS_MINIPORT_DRIVER_CHARACTERISTICS>): Promise<NDIS_STATUS> {
  const miniport = new TestMiniport({});
  let status: NDIS_STATUS = -1;
  const module: MiniportModule = {
    HardwareIds: [],
    DriverEntry: (driverObject, path) => {
      const handle = out<NDIS_HANDLE | null>(null);
      status = NdisMRegisterMiniportDriver(driverObject, path, null, driverCharacteristics(miniport, change), handle);
      return status;
    },
  };
  await loadDriver(module).catch(() => undefined);
  return status;
}

describe('NdisMRegisterMiniportDriver', () => {
  it('copies the characteristics: the entry points are fixed from then on', async () => {
    const characteristics = driverCharacteristics(new TestMiniport({}));
    let called = '';
    characteristics.UnloadHandler = () => {
      called = 'registered';
    };
    const driver = await loadDriver({
      HardwareIds: [],
      DriverEntry: (driverObject, path) =>
        NdisMRegisterMiniportDriver(driverObject, path, null, characteristics, out<NDIS_HANDLE | null>(null)),
    });
    characteristics.UnloadHandler = () => {
      called = 'changed';
    };
    await driver.unload();
    expect(called).toBe('registered');
  });

  it.each([
    ['a wrong type', { Header: { Type: 0x80, Revision: 2, Size: 152 } }, NDIS_STATUS_BAD_CHARACTERISTICS],
    [
      'a size too small for its revision',
      { Header: { Type: 0x8a, Revision: 2, Size: 136 } },
      NDIS_STATUS_BAD_CHARACTERISTICS,
    ],
    ['an unknown revision', { Header: { Type: 0x8a, Revision: 9, Size: 400 } }, NDIS_STATUS_BAD_VERSION],
    ['NDIS 5', { MajorNdisVersion: 5 }, NDIS_STATUS_BAD_VERSION],
    ['no send handler', { SendNetBufferListsHandler: undefined as never }, NDIS_STATUS_BAD_CHARACTERISTICS],
    ['CheckForHang without Reset', { CheckForHangHandlerEx: () => false }, NDIS_STATUS_BAD_CHARACTERISTICS],
    ['revision 1', { Header: { Type: 0x8a, Revision: 1, Size: 136 } }, NDIS_STATUS_SUCCESS],
    ['a size larger than its revision needs', { Header: { Type: 0x8a, Revision: 2, Size: 400 } }, NDIS_STATUS_SUCCESS],
  ])('answers characteristics with %s', async (_what, change, expected) => {
    expect(await register(change)).toBe(expected);
  });

  it('calls MiniportSetOptions inside, at PASSIVE_LEVEL, and fails with its status', async () => {
    let level = -1;
    expect(
      await register({
        SetOptionsHandler: () => {
          level = KeGetCurrentIrql();
          return NDIS_STATUS_SUCCESS;
        },
      }),
    ).toBe(NDIS_STATUS_SUCCESS);
    expect(level).toBe(PASSIVE_LEVEL);
    expect(await register({ SetOptionsHandler: () => NDIS_STATUS_RESOURCES })).toBe(NDIS_STATUS_RESOURCES);
  });

  it('refuses something that is no driver object', () => {
    const characteristics = driverCharacteristics(new TestMiniport({}));
    const handle = out<NDIS_HANDLE | null>(null);
    expect(NdisMRegisterMiniportDriver({} as DRIVER_OBJECT, '', null, characteristics, handle)).toBe(
      NDIS_STATUS_INVALID_PARAMETER,
    );
  });
});

describe('loadDriver', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('no luck');
      },
      /no luck/,
    ],
    ['fails', () => NDIS_STATUS_FAILURE, /NDIS_STATUS_FAILURE/],
    [
      'returns NOT_ACCEPTED, whose severity says success (trap 54)',
      () => NDIS_STATUS_NOT_ACCEPTED,
      /NDIS_STATUS_NOT_ACCEPTED/,
    ],
    ['registers nothing', () => NDIS_STATUS_SUCCESS, /without calling NdisMRegisterMiniportDriver/],
  ])('rejects with E_DRIVER_ENTRY when DriverEntry %s', async (_what, DriverEntry, message) => {
    const loading = loadDriver({ HardwareIds: [], DriverEntry });
    await expect(loading).rejects.toMatchObject({ code: 'E_DRIVER_ENTRY' });
    await expect(loading).rejects.toThrow(message);
  });

  it('awaits a DriverEntry that returns a Promise', async () => {
    const inner = moduleOf(new TestMiniport({}));
    const driver = await loadDriver({
      HardwareIds: inner.HardwareIds,
      DriverEntry: async (driverObject, path) => inner.DriverEntry(driverObject, path),
    });
    expect(driver.hardwareIds).toEqual(['PCI\\VEN_8086&DEV_10C9']);
  });

  it('unloads only after every adapter is halted, and once', async () => {
    const { driver, adapter, miniport } = await initialized();
    await expect(driver.unload()).rejects.toMatchObject({ code: 'E_STATE' });
    await adapter.halt();
    await driver.unload();
    await driver.unload();
    expect(miniport.log.filter((line) => line === 'unload')).toHaveLength(1);
    expect(() => driver.createAdapter(adapter.pci, adapter.options)).toThrow(/unloaded/);
  });

  it('refuses adapter options out of range', async () => {
    const { driver, pci, clock } = await bench();
    expect(() => driver.createAdapter(pci, { clock, processors: 33 })).toThrow(/processors/);
    expect(() => driver.createAdapter(pci, { clock, messageLimit: 0 })).toThrow(/messageLimit/);
    expect(() => driver.createAdapter(pci, { clock, dpcBudget: 0.5 })).toThrow(/dpcBudget/);
  });
});
