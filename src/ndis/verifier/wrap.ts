/**
 * Puts the verifier around a miniport's entry points. Layer: ndis/verifier.
 * Invariants: a wrapped entry point takes and gives what the plain one does; everything is wrapped once, when it is
 * registered, so that NDIS calls the same way with and without a verifier.
 */
import {
  DISPATCH_LEVEL,
  type IO_INTERRUPT_MESSAGE_INFO,
  type ISR_OUTPUTS,
  type MINIPORT_PROCESS_SG_LIST,
  type MINIPORT_SYNCHRONIZE_INTERRUPT,
  type NDIS_CONTEXT,
  type NDIS_MINIPORT_DRIVER_CHARACTERISTICS,
  type NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS,
  type NDIS_RECEIVE_THROTTLE_PARAMETERS,
  NdisDevicePnPEventSurpriseRemoved,
} from '../types.ts';
import { currentFrame, runMaybeAsync, runSync } from './frames.ts';
import type { Verifier } from './verifier.ts';

type Characteristics = NDIS_MINIPORT_DRIVER_CHARACTERISTICS;

/** The handlers of a driver, with a verifier around each. */
export function wrapDriver(verifier: Verifier, given: Readonly<Characteristics>): Readonly<Characteristics> {
  const waits = <A extends unknown[], R>(
    name: string,
    handler: (...args: A) => R,
    before: ((...args: A) => void) | null,
    after: ((result: unknown, ...args: A) => void) | null,
  ) => {
    return (...args: A): R => {
      before?.(...args);
      const returned = after === null ? null : (result: unknown) => after(result, ...args);
      return verifier.call(name, null, false, runMaybeAsync, () => handler(...args), returned);
    };
  };
  const plain = <A extends unknown[], R>(
    name: string,
    handler: (...args: A) => R,
    flagged = false,
    after: ((...args: A) => void) | null = null,
  ) => {
    return (...args: A): R => {
      const returned = after === null ? null : () => after(...args);
      return verifier.call(name, null, flagged, runSync, () => handler(...args), returned);
    };
  };
  const hang = given.CheckForHangHandlerEx;
  const reset = given.ResetHandlerEx;
  return Object.freeze({
    ...given,
    InitializeHandlerEx: waits(
      'MiniportInitializeEx',
      given.InitializeHandlerEx,
      () => verifier.begin(),
      (status) => verifier.initialized(status as number),
    ),
    HaltHandlerEx: waits('MiniportHaltEx', given.HaltHandlerEx, null, null),
    PauseHandler: waits('MiniportPause', given.PauseHandler, null, (status) =>
      verifier.saw('pauseReturned', { status: status as number }),
    ),
    RestartHandler: waits('MiniportRestart', given.RestartHandler, null, null),
    OidRequestHandler: waits(
      'MiniportOidRequest',
      given.OidRequestHandler,
      (_context, request) => verifier.oidStarts(request),
      (status, _context, request) => verifier.oidReturned(request, status as number),
    ),
    SendNetBufferListsHandler: plain('MiniportSendNetBufferLists', given.SendNetBufferListsHandler, true),
    ReturnNetBufferListsHandler: plain('MiniportReturnNetBufferLists', given.ReturnNetBufferListsHandler, true),
    CancelSendHandler: plain('MiniportCancelSend', given.CancelSendHandler),
    ...(hang ? { CheckForHangHandlerEx: plain('MiniportCheckForHangEx', hang) } : {}),
    ...(reset ? { ResetHandlerEx: plain('MiniportResetEx', reset) } : {}),
    DevicePnPEventNotifyHandler: plain(
      'MiniportDevicePnPEventNotify',
      given.DevicePnPEventNotifyHandler,
      false,
      (_context, event) => {
        if (event.DevicePnPEvent === NdisDevicePnPEventSurpriseRemoved) verifier.removalNoticed();
      },
    ),
    ShutdownHandlerEx: plain('MiniportShutdownEx', given.ShutdownHandlerEx),
    CancelOidRequestHandler: plain('MiniportCancelOidRequest', given.CancelOidRequestHandler),
  });
}

/** The handlers of an interrupt that NDIS keeps. */
type InterruptHandlers = Readonly<
  Pick<
    NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS,
    | 'InterruptHandler'
    | 'InterruptDpcHandler'
    | 'DisableInterruptHandler'
    | 'EnableInterruptHandler'
    | 'MessageInterruptHandler'
    | 'MessageInterruptDpcHandler'
    | 'DisableMessageInterruptHandler'
    | 'EnableMessageInterruptHandler'
  >
>;

/** The handlers of an interrupt, with a verifier around each. */
export function wrapInterrupt<T extends InterruptHandlers>(verifier: Verifier, nowUs: () => number, given: T): T {
  const isr = (line: boolean, name: string, message: number | null, outputs: ISR_OUTPUTS, invoke: () => boolean) =>
    verifier.call(name, message, false, runSync, invoke, (claimed) =>
      verifier.isrReturned(line, claimed === true, outputs.QueueDefaultInterruptDpc, outputs.TargetProcessors),
    );
  const dpc = (
    name: string,
    message: number | null,
    throttle: NDIS_RECEIVE_THROTTLE_PARAMETERS,
    invoke: () => unknown,
  ) => {
    verifier.dpcStarts();
    const startUs = nowUs();
    return verifier.call(name, message, false, runSync, invoke, () =>
      verifier.dpcReturned(nowUs() - startUs, (Number(throttle.MoreNblsPending) & 1) !== 0),
    );
  };
  const line = <R>(name: string, handler: ((context: NDIS_CONTEXT) => R) | null | undefined) =>
    handler
      ? (context: NDIS_CONTEXT): R => verifier.call(name, null, false, runSync, () => handler(context), null)
      : handler;
  const messaged = <R>(name: string, handler: ((context: NDIS_CONTEXT, message: number) => R) | null | undefined) =>
    handler
      ? (context: NDIS_CONTEXT, message: number): R =>
          verifier.call(name, message, false, runSync, () => handler(context, message), null)
      : handler;
  const lineIsr = given.InterruptHandler;
  const lineDpc = given.InterruptDpcHandler;
  const messageIsr = given.MessageInterruptHandler;
  const messageDpc = given.MessageInterruptDpcHandler;
  return {
    ...given,
    InterruptHandler:
      lineIsr &&
      ((context: NDIS_CONTEXT, outputs: ISR_OUTPUTS) =>
        isr(true, 'MiniportInterrupt', null, outputs, () => lineIsr(context, outputs))),
    InterruptDpcHandler:
      lineDpc &&
      ((context: NDIS_CONTEXT, dpcContext: NDIS_CONTEXT, throttle: NDIS_RECEIVE_THROTTLE_PARAMETERS, reserved: null) =>
        dpc('MiniportInterruptDPC', null, throttle, () => lineDpc(context, dpcContext, throttle, reserved))),
    DisableInterruptHandler: line('MiniportDisableInterruptEx', given.DisableInterruptHandler),
    EnableInterruptHandler: line('MiniportEnableInterruptEx', given.EnableInterruptHandler),
    MessageInterruptHandler:
      messageIsr &&
      ((context: NDIS_CONTEXT, message: number, outputs: ISR_OUTPUTS) =>
        isr(false, 'MiniportMessageInterrupt', message, outputs, () => messageIsr(context, message, outputs))),
    MessageInterruptDpcHandler:
      messageDpc &&
      ((
        context: NDIS_CONTEXT,
        message: number,
        dpcContext: NDIS_CONTEXT,
        throttle: NDIS_RECEIVE_THROTTLE_PARAMETERS,
        reserved: null,
      ) =>
        dpc('MiniportMessageInterruptDPC', message, throttle, () =>
          messageDpc(context, message, dpcContext, throttle, reserved),
        )),
    DisableMessageInterruptHandler: messaged('MiniportDisableMessageInterrupt', given.DisableMessageInterruptHandler),
    EnableMessageInterruptHandler: messaged('MiniportEnableMessageInterrupt', given.EnableMessageInterruptHandler),
  };
}

/** A synchronize function, for one call. */
export function wrapSynchronize(
  verifier: Verifier,
  message: number,
  given: MINIPORT_SYNCHRONIZE_INTERRUPT,
): MINIPORT_SYNCHRONIZE_INTERRUPT {
  return (context) =>
    verifier.call('MiniportSynchronizeInterrupt', message, false, runSync, () => given(context), null);
}

/** A callback of another kind that cannot wait: a timer function, a status of a protocol. */
export function wrapPlain<A extends unknown[], R>(
  verifier: Verifier,
  name: string,
  given: (...args: A) => R,
): (...args: A) => R {
  return (...args) => verifier.call(name, null, false, runSync, () => given(...args), null);
}

/** A callback of another kind that may wait: the routine of a work item. */
export function wrapWaiting<A extends unknown[], R>(
  verifier: Verifier,
  name: string,
  given: (...args: A) => R,
): (...args: A) => R {
  return (...args) => verifier.call(name, null, false, runMaybeAsync, () => given(...args), null);
}

/** MiniportProcessSGList; who asked for the list had to be at DISPATCH_LEVEL. */
export function wrapProcessSgList(verifier: Verifier, given: MINIPORT_PROCESS_SG_LIST): MINIPORT_PROCESS_SG_LIST {
  return (pdo, netBuffer, list, context) => {
    const caller = currentFrame();
    if (caller !== null && caller.irql < DISPATCH_LEVEL && !caller.ended && (caller.locks?.size ?? 0) === 0) {
      verifier.saw('irqlTooLow', {
        what: 'NdisMAllocateNetBufferSGList',
        needed: DISPATCH_LEVEL,
        irql: caller.irql,
      });
    }
    verifier.call('MiniportProcessSGList', null, false, runSync, () => given(pdo, netBuffer, list, context), null);
  };
}

/** Watches how a driver reads what NdisMRegisterInterruptEx wrote into its structure. */
export function watchCharacteristics(verifier: Verifier, given: NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS): void {
  if (!Object.isExtensible(given)) return;
  let type = given.InterruptType;
  let table = given.MessageInfoTable;
  let typeWasRead = false;
  Object.defineProperty(given, 'InterruptType', {
    configurable: true,
    enumerable: true,
    get: () => {
      typeWasRead = true;
      return type;
    },
    set: (value: typeof type) => {
      type = value;
    },
  });
  Object.defineProperty(given, 'MessageInfoTable', {
    configurable: true,
    enumerable: true,
    get: () => {
      verifier.saw('tableRead', { typeWasRead });
      return table;
    },
    set: (value: typeof table) => {
      table = value;
    },
  });
}

/** The table of messages as a miniport sees it: a write is told, and does not happen. */
export function watchTable(verifier: Verifier, table: IO_INTERRUPT_MESSAGE_INFO): IO_INTERRUPT_MESSAGE_INFO {
  const tell = (property: string | symbol): boolean => {
    verifier.saw('tableWritten', { property: String(property) });
    // Accepted in C as well; what follows is what the rule is about.
    return true;
  };
  const watch = <T extends object>(object: T, name: string): T =>
    new Proxy(object, {
      set: (_target, property) => tell(`${name}${String(property)}`),
      defineProperty: (_target, property) => tell(`${name}${String(property)}`),
      deleteProperty: (_target, property) => tell(`${name}${String(property)}`),
    });
  const entries = table.MessageInfo.map((entry, index) => watch({ ...entry }, `MessageInfo[${index}].`));
  return watch({ ...table, MessageInfo: watch(entries, 'MessageInfo.') }, '');
}
