/**
 * Derives what the lab boots from (unpacked kernels, initramfs) ahead of time, so that the first boot is as quick as
 * any other. Layer: scripts; called by setup.sh. Invariant: does nothing that a boot would not do itself when needed.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { baseInitramfs } from './initramfs.mjs';
import { findKernel, KERNELS, LAB } from './kernel.mjs';

const custom = process.env['LAB_KERNEL'] !== undefined;
for (const series of custom ? [undefined] : KERNELS) {
  if (series !== undefined && !existsSync(join(LAB, 'kernels', series, 'version'))) continue;
  const start = performance.now();
  const kernel = findKernel(series);
  baseInitramfs(kernel);
  const seconds = (performance.now() - start) / 1000;
  if (seconds > 0.5) console.log(`setup: Linux ${kernel.release} prepared for the lab (${seconds.toFixed(1)} s)`);
}
