/** Types of initramfs.mjs for the tests. Layer: scripts. */
import type { Kernel } from './kernel.mjs';

/** @throws LabError LAB_BUSYBOX, LAB_COMPILER, LAB_MODULE_MISSING, LAB_MODULE_PACKED */
export function baseInitramfs(kernel: Kernel): Buffer;
/** kHz. */
export function tscKhz(): number | undefined;
export function cpio(entries: readonly { path: string; data?: Uint8Array | string; mode?: number }[]): Buffer;
/** @throws LabError LAB_MODULE_MISSING */
export function moduleOrder(dep: string, builtin: string, wanted: readonly string[]): string[];
export function coveredPaths(paths: readonly string[]): string[];
