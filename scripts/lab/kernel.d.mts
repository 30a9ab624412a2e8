/** Types of kernel.mjs for the tests. Layer: scripts. */
export interface Kernel {
  readonly series: string;
  readonly release: string;
  /** File for QEMU's -kernel. */
  readonly image: string;
  /** Folder lib/modules/RELEASE. */
  readonly modules: string;
}

export const ROOT: string;
export const LAB: string;
export const CACHE: string;
export const KERNELS: readonly ['6.12', '6.1'];
export const DEFAULT_KERNEL: '6.12';
/** @throws LabError LAB_KERNEL_MISSING, LAB_KERNEL_INCOMPLETE */
export function findKernel(series?: string, env?: NodeJS.ProcessEnv): Kernel;
export function extractVmlinux(file: Buffer): Buffer | undefined;
export function hasPvhNote(elf: Buffer): boolean;
