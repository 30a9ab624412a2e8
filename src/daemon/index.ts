/**
 * The entry of the daemon for the command line; nothing else of this folder may be imported from there. Layer: daemon.
 * Invariants: one line per event on standard output; signals, crashes and a closed output all end in the same orderly
 * way out; the process holds no device when it exits by itself.
 */
import { writeSync } from 'node:fs';
import { linuxMachine } from '../application/linux-machine.ts';
import { readPackageVersion } from '../application/package.ts';
import { socketPath } from '../control/messages.ts';
import { type DaemonOptions, runDaemon, type Stopper } from './daemon.ts';
import { errorEvent, formatJson, formatText } from './events.ts';
import { EXIT_STATUS, type ExitStatus } from './exit-status.ts';

export { mtuError } from '../application/open-adapter.ts';
export { readPackageVersion } from '../application/package.ts';
export { parsePciAddress } from '../host/index.ts';
export { describeLink } from './events.ts';
export { EXIT_STATUS, type ExitStatus } from './exit-status.ts';
export { type ListedFunction, listFunctions } from './list.ts';

export interface UpOptions extends Omit<DaemonOptions, 'socketPath' | 'version'> {
  /** Events as JSON lines instead of text. */
  readonly json: boolean;
}

/**
 * Runs a NIC in this process until a signal, the kernel or the device ends it.
 * @returns the exit status of the process
 * @throws NdisVfioError when it cannot start, or when the device or the miniport failed; everything is closed then
 */
export async function up(options: UpOptions): Promise<ExitStatus> {
  const emit = (event: Parameters<typeof formatText>[1]): void => {
    const line = options.json ? formatJson(options.address, event, new Date()) : formatText(options.address, event);
    writeLine(1, line);
  };
  let stopper: Stopper | undefined;
  const onSignal = (signal: NodeJS.Signals): void => stopper?.stop(signal);
  const onReport = (): void => stopper?.report();
  const onCrash = (error: unknown): void => {
    // The device first: what follows may fail as well.
    stopper?.abandon();
    emit(errorEvent(error));
    writeLine(2, error instanceof Error && error.stack !== undefined ? error.stack : String(error));
    process.exit(EXIT_STATUS.failure);
  };
  const onExit = (): void => stopper?.abandon();
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal).on('SIGHUP', onSignal).on('SIGUSR1', onReport);
  process.on('uncaughtException', onCrash).on('unhandledRejection', onCrash).on('exit', onExit);
  try {
    const end = await runDaemon(
      { ...options, socketPath, version: readPackageVersion() },
      linuxMachine,
      emit,
      (each) => {
        stopper = each;
      },
    );
    switch (end.kind) {
      case 'stopped':
        return EXIT_STATUS.ok;
      case 'removal':
        return EXIT_STATUS.removed;
      case 'gone':
      case 'fault':
        throw end.error;
      case 'forced':
        return EXIT_STATUS.failure;
    }
  } finally {
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal).off('SIGHUP', onSignal).off('SIGUSR1', onReport);
    process.off('uncaughtException', onCrash).off('unhandledRejection', onCrash).off('exit', onExit);
  }
}

/** Synchronous, so that the last line is out before the process ends; a reader that went away is no reason to stop. */
function writeLine(descriptor: 1 | 2, line: string): void {
  try {
    writeSync(descriptor, `${line}\n`);
  } catch {
    // EPIPE, or EAGAIN of a full non-blocking pipe: the event is lost, the NIC goes on.
  }
}
