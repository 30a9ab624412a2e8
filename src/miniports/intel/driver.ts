/**
 * DriverEntry of both families: registers the handlers, which pass on to the adapter. Layer: miniports/intel.
 * Invariant: the adapter context NDIS hands back is the IntelAdapter made in MiniportInitializeEx; the driver keeps no
 * state of its own but its NDIS handle.
 */
import {
  type DRIVER_INITIALIZE,
  type NDIS_CONTEXT,
  type NDIS_HANDLE,
  NDIS_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
  NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS,
  NdisDevicePnPEventSurpriseRemoved,
  NdisMDeregisterMiniportDriver,
  NdisMRegisterMiniportDriver,
  out,
} from '../../ndis/index.ts';
import { IntelAdapter } from './adapter.ts';
import type { IntelDevice } from './device.ts';

function adapterOf(context: NDIS_CONTEXT): IntelAdapter {
  return context as IntelAdapter;
}

/** DriverEntry for a family. NDIS 6.30: sends are aborted by a reset, hangs are the driver's to find. */
export function createDriverEntry(device: IntelDevice): DRIVER_INITIALIZE {
  return (DriverObject, RegistryPath) => {
    const driver = out<NDIS_HANDLE | null>(null);
    return NdisMRegisterMiniportDriver(
      DriverObject,
      RegistryPath,
      device,
      {
        Header: {
          Type: NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS,
          Revision: NDIS_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
          Size: 168,
        },
        MajorNdisVersion: 6,
        MinorNdisVersion: 30,
        MajorDriverVersion: 1,
        MinorDriverVersion: 0,
        Flags: 0,
        InitializeHandlerEx: (handle, _context, parameters) => new IntelAdapter(handle, device).initialize(parameters),
        HaltHandlerEx: (context, action) => adapterOf(context).halt(action),
        UnloadHandler: () => {
          if (driver.Value !== null) NdisMDeregisterMiniportDriver(driver.Value);
        },
        PauseHandler: (context) => adapterOf(context).pause(),
        RestartHandler: (context) => adapterOf(context).restart(),
        OidRequestHandler: (context, request) => adapterOf(context).handleOid(request),
        SendNetBufferListsHandler: (context, chain) => adapterOf(context).send(chain),
        ReturnNetBufferListsHandler: (context, chain) => adapterOf(context).giveBack(chain),
        CancelSendHandler: (context, cancelId) => adapterOf(context).cancelSend(cancelId),
        CheckForHangHandlerEx: (context) => adapterOf(context).checkForHang(),
        ResetHandlerEx: (context, addressingReset) => adapterOf(context).reset(addressingReset),
        DevicePnPEventNotifyHandler: (context, event) => {
          if (event.DevicePnPEvent === NdisDevicePnPEventSurpriseRemoved) adapterOf(context).surpriseRemoved();
        },
        ShutdownHandlerEx: (context) => adapterOf(context).shutdown(),
        CancelOidRequestHandler: () => {},
      },
      driver,
    );
  };
}
