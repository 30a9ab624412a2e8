/**
 * The smallest miniport there is: it registers its interrupt, keeps what NDIS wrote into its characteristics, and carries
 * no frame. So the host sees what a miniport sees of each kind of grant. Layer: test (runs in the guest).
 */
import { linuxMachine } from '../../../src/application/linux-machine.ts';
import { openAdapter } from '../../../src/application/open-adapter.ts';
import {
  type DRIVER_OBJECT,
  type MiniportModule,
  type NDIS_HANDLE,
  NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE,
  NDIS_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
  type NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS,
  NDIS_MINIPORT_INTERRUPT_REVISION_1,
  NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
  NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS,
  NDIS_OBJECT_TYPE_MINIPORT_INTERRUPT,
  NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
  NDIS_SIZEOF_MINIPORT_INTERRUPT_CHARACTERISTICS_REVISION_1,
  type NDIS_STATUS,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_SUCCESS,
  NdisMDeregisterInterruptEx,
  NdisMDeregisterMiniportDriver,
  NdisMRegisterInterruptEx,
  NdisMRegisterMiniportDriver,
  NdisMSetMiniportAttributes,
  out,
} from '../../../src/ndis/index.ts';
import type { InterruptKind } from '../../../src/platform/index.ts';
import { bindOnce } from './edge.ts';

export interface GrantResult {
  readonly registerStatus: number;
  /** 1 line, 2 message. */
  readonly interruptType: number;
  /** null: MessageInfoTable is null. */
  readonly messages:
    | readonly { readonly mode: number; readonly irql: number; readonly address: number; readonly data: number }[]
    | null;
  readonly messageCount: number | null;
}

interface Seen {
  status: NDIS_STATUS;
  characteristics: NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS | null;
}

/** A miniport whose initialization fails on purpose once the interrupt was registered and deregistered again. */
function probeMiniport(seen: Seen): MiniportModule {
  const driver = out<NDIS_HANDLE | null>(null);
  const nothing = (): void => {};
  return {
    HardwareIds: ['PCI\\VEN_8086&DEV_10C9', 'PCI\\VEN_8086&DEV_10D3'],
    DriverEntry: (DriverObject: DRIVER_OBJECT, RegistryPath: string) =>
      NdisMRegisterMiniportDriver(
        DriverObject,
        RegistryPath,
        null,
        {
          Header: {
            Type: NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS,
            Revision: NDIS_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
            Size: NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
          },
          MajorNdisVersion: 6,
          MinorNdisVersion: 30,
          MajorDriverVersion: 1,
          MinorDriverVersion: 0,
          Flags: 0,
          InitializeHandlerEx: (handle) => {
            NdisMSetMiniportAttributes(handle, {
              Header: { Type: NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES, Revision: 1, Size: 32 },
              MiniportAdapterContext: seen,
              AttributeFlags: NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE,
              CheckForHangTimeInSeconds: 0,
              InterfaceType: 5,
            });
            const characteristics: NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS = {
              Header: {
                Type: NDIS_OBJECT_TYPE_MINIPORT_INTERRUPT,
                Revision: NDIS_MINIPORT_INTERRUPT_REVISION_1,
                Size: NDIS_SIZEOF_MINIPORT_INTERRUPT_CHARACTERISTICS_REVISION_1,
              },
              InterruptHandler: () => false,
              InterruptDpcHandler: nothing,
              DisableInterruptHandler: nothing,
              EnableInterruptHandler: nothing,
              MsiSupported: true,
              MsiSyncWithAllMessages: false,
              MessageInterruptHandler: () => true,
              MessageInterruptDpcHandler: nothing,
              DisableMessageInterruptHandler: nothing,
              EnableMessageInterruptHandler: nothing,
              InterruptType: 0,
              MessageInfoTable: null,
            };
            const interrupt = out<NDIS_HANDLE | null>(null);
            seen.status = NdisMRegisterInterruptEx(handle, seen, characteristics, interrupt);
            seen.characteristics = characteristics;
            if (interrupt.Value !== null) NdisMDeregisterInterruptEx(interrupt.Value);
            return NDIS_STATUS_FAILURE;
          },
          HaltHandlerEx: nothing,
          UnloadHandler: () => {
            if (driver.Value !== null) NdisMDeregisterMiniportDriver(driver.Value);
          },
          PauseHandler: () => NDIS_STATUS_SUCCESS,
          RestartHandler: () => NDIS_STATUS_SUCCESS,
          OidRequestHandler: () => NDIS_STATUS_NOT_SUPPORTED,
          SendNetBufferListsHandler: nothing,
          ReturnNetBufferListsHandler: nothing,
          CancelSendHandler: nothing,
          DevicePnPEventNotifyHandler: nothing,
          ShutdownHandlerEx: nothing,
          CancelOidRequestHandler: nothing,
        },
        driver,
      ),
  };
}

/** Opens the function with the grant asked for and tells what the miniport was given. */
export async function probe(params: {
  bdf: string;
  interrupts: InterruptKind;
  messages?: number;
}): Promise<GrantResult> {
  await bindOnce(params.bdf);
  const seen: Seen = { status: NDIS_STATUS_FAILURE, characteristics: null };
  const { interrupts, messages } = params;
  const opened = await openAdapter(
    linuxMachine,
    params.bdf,
    { interrupts, messages, miniport: probeMiniport(seen) },
    0,
  );
  try {
    const failed = await opened.adapter.initialize().then(
      () => false,
      () => true,
    );
    if (!failed || seen.characteristics === null) throw new Error('the probe was not initialized');
  } finally {
    await opened.close();
  }
  const { InterruptType, MessageInfoTable } = seen.characteristics;
  return {
    registerStatus: seen.status,
    interruptType: InterruptType,
    messageCount: MessageInfoTable?.MessageCount ?? null,
    messages:
      MessageInfoTable?.MessageInfo.map(({ Mode, Irql, MessageAddress, MessageData }) => ({
        mode: Mode,
        irql: Irql,
        address: MessageAddress,
        data: MessageData,
      })) ?? null,
  };
}
