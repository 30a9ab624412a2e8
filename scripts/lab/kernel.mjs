/**
 * Finds the kernel of the lab and its modules, and unpacks the kernel: QEMU starts an uncompressed ELF image with a PVH
 * note about a second sooner than a bzImage, which would unpack itself under emulation. Layer: scripts.
 * Invariant: the files of the kernel package are only read; what is derived from them lies in .lab/cache.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { LabError } from './errors.mjs';

/** Root of the working tree. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
/** Everything the lab downloads or derives; git-ignored. */
export const LAB = join(ROOT, '.lab');
export const CACHE = join(LAB, 'cache');

export const KERNELS = /** @type {const} */ (['6.12', '6.1']);
export const DEFAULT_KERNEL = '6.12';

/**
 * @typedef {{ series: string, release: string, image: string, modules: string }} Kernel
 * `image` is the file for QEMU's -kernel, `modules` the folder lib/modules/RELEASE.
 */

/**
 * The kernel of a series, or the one LAB_KERNEL and LAB_MODULES name.
 * @param {string} [series]
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Kernel}
 */
export function findKernel(series = DEFAULT_KERNEL, env = process.env) {
  const action = 'Cannot boot the lab';
  if (env['LAB_KERNEL'] || env['LAB_MODULES']) {
    const { LAB_KERNEL: image, LAB_MODULES: modules } = env;
    if (!image || !modules) {
      throw new LabError('LAB_KERNEL_INCOMPLETE', {
        action,
        cause: `${image ? 'LAB_KERNEL' : 'LAB_MODULES'} is set without ${image ? 'LAB_MODULES' : 'LAB_KERNEL'}`,
        cure: 'Set both: LAB_KERNEL=/boot/vmlinuz-X LAB_MODULES=/lib/modules/X.',
      });
    }
    for (const path of [image, join(modules, 'modules.dep')]) {
      if (!existsSync(path)) {
        throw new LabError('LAB_KERNEL_MISSING', {
          action,
          cause: `there is no ${path}`,
          cure: 'LAB_KERNEL must name a kernel image and LAB_MODULES its lib/modules/RELEASE folder, indexed by depmod.',
        });
      }
    }
    return {
      series: 'custom',
      release: basename(resolve(modules)),
      image: unpacked(resolve(image)),
      modules: resolve(modules),
    };
  }
  const name = join(LAB, 'kernels', series);
  if (!existsSync(join(name, 'version'))) {
    throw new LabError('LAB_KERNEL_MISSING', {
      action,
      cause: `Linux ${series} is not under .lab/kernels`,
      cure: 'Run: bash scripts/setup.sh (it downloads and unpacks it), or set LAB_KERNEL and LAB_MODULES.',
    });
  }
  // In the guest a link may point nowhere: the way to the modules is the real one.
  const folder = realpathSync(name);
  const release = readFileSync(join(folder, 'version'), 'utf8').trim();
  const image = readdirSync(join(folder, 'boot')).find((name) => name.startsWith('vmlinuz-'));
  return {
    series,
    release,
    image: unpacked(join(folder, 'boot', image ?? `vmlinuz-${release}`)),
    modules: join(folder, 'lib', 'modules', release),
  };
}

/**
 * Unpacks a bzImage to an ELF image in the cache. Gives the image back as it is where that cannot be done or QEMU could
 * not start the result: only slower.
 * @param {string} image
 * @returns {string}
 */
function unpacked(image) {
  const { size, mtimeMs } = statSync(image);
  const target = join(CACHE, `vmlinux-${basename(image)}-${size}-${Math.floor(mtimeMs)}`);
  if (existsSync(target)) return target;
  const elf = extractVmlinux(readFileSync(image));
  if (!elf || !hasPvhNote(elf)) return image;
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(`${target}.${process.pid}`, elf);
  renameSync(`${target}.${process.pid}`, target);
  return target;
}

/**
 * The ELF image inside a bzImage [Linux Documentation/arch/x86/boot.rst, "The real-mode kernel header"], or undefined.
 * @param {Buffer} file
 * @returns {Buffer | undefined}
 */
export function extractVmlinux(file) {
  if (file.length > 4 && file.readUInt32BE(0) === 0x7f454c46) return file;
  if (file.length < 0x260 || file.toString('latin1', 0x202, 0x206) !== 'HdrS' || file.readUInt16LE(0x206) < 0x208)
    return undefined;
  const setupSectors = file[0x1f1] || 4;
  const start = (setupSectors + 1) * 512 + file.readUInt32LE(0x248);
  // The last four bytes of the payload are the length of the image, little-endian, and no part of the compressed stream.
  const payload = file.subarray(start, start + file.readUInt32LE(0x24c) - 4);
  const elf = decompress(payload);
  return elf && elf.length > 4 && elf.readUInt32BE(0) === 0x7f454c46 ? elf : undefined;
}

/**
 * Unpacks by the magic number of the data; undefined where it is none that Linux builds use or the tool is missing.
 * @param {Buffer} data
 * @returns {Buffer | undefined}
 */
export function decompress(data) {
  const magic = data.readUInt32BE(0);
  if (magic >>> 16 === 0x1f8b) return gunzipSync(data);
  const tool = magic === 0x28b52ffd ? 'zstd' : magic === 0xfd377a58 ? 'xz' : undefined;
  if (tool === undefined) return undefined;
  const { stdout, status } = spawnSync(tool, ['-dc'], {
    input: data,
    maxBuffer: 1 << 28,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  return status === 0 || (stdout && stdout.length > 0) ? stdout : undefined;
}

/**
 * Has an ELF image the note that lets QEMU start it (XEN_ELFNOTE_PHYS32_ENTRY, type 18, name "Xen")?
 * @param {Buffer} elf
 */
export function hasPvhNote(elf) {
  const note = Buffer.alloc(8);
  note.writeUInt32LE(18, 0);
  note.write('Xen\0', 4, 'latin1');
  return elfSegments(elf).some(
    ({ type, offset, size }) => type === PT_NOTE && elf.subarray(offset, offset + size).includes(note),
  );
}

/** Types of ELF segments [ELF-64, "Program header table"]. */
export const PT_INTERP = 3;
const PT_NOTE = 4;

/**
 * The segments of a 64-bit little-endian ELF file, `offset` and `size` in bytes.
 * @param {Buffer} elf
 */
export function elfSegments(elf) {
  const table = Number(elf.readBigUInt64LE(32));
  return Array.from({ length: elf.readUInt16LE(56) }, (_, i) => {
    const at = table + i * elf.readUInt16LE(54);
    return {
      type: elf.readUInt32LE(at),
      offset: Number(elf.readBigUInt64LE(at + 8)),
      size: Number(elf.readBigUInt64LE(at + 32)),
    };
  });
}
