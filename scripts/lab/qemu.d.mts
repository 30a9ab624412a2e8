/** Types of qemu.mjs for the tests. Layer: scripts. */
export type Wire = { kind: 'hub' | 'null' | 'tap'; path?: undefined } | { kind: 'stream' | 'dgram'; path: string };

export interface Machine {
  nics: readonly { model: 'igb' | 'e1000e'; wire: Wire }[];
  cpus: number;
  memoryMiB: number;
  iommu: boolean;
  dump?: string | undefined;
  kernel: string;
  initrd: string;
  agentSocket: string;
  qmpSocket: string;
  qmp?: string | undefined;
  qemuVersion: readonly [number, number];
  /** Frequency of the host's time-stamp counter, kHz. */
  tscKhz?: number | undefined;
}

/** @throws LabError LAB_OPTION */
export function parseWire(text: string): Wire;
export function macOf(index: number): string;
export function bdfOf(index: number): string;
export function dumpFile(file: string, index: number): string;
export function kernelLine(iommu: boolean, tscKhz?: number): string;
export function qemuArguments(machine: Machine): string[];
/** @throws LabError LAB_QEMU_MISSING, LAB_QEMU_OLD */
export function findQemu(env?: NodeJS.ProcessEnv): { path: string; version: readonly [number, number] };
