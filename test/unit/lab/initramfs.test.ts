/**
 * What the lab boots from: cpio "newc" [Linux Documentation/driver-api/early-userspace/buffer-format.rst], modules.dep
 * [depmod(8)], bzImage [Linux Documentation/arch/x86/boot.rst], frames to the agent (guest/agent.c). Layer: test (unit).
 */
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { encodeFrame, FrameReader, MAX_PAYLOAD } from '../../../scripts/lab/frames.mjs';
import { coveredPaths, cpio, moduleOrder } from '../../../scripts/lab/initramfs.mjs';
import { extractVmlinux, findKernel, hasPvhNote } from '../../../scripts/lab/kernel.mjs';

/** Reads a newc archive the way the kernel does. */
function unpack(archive: Buffer) {
  const files: { path: string; mode: number; data: string }[] = [];
  for (let at = 0; ; ) {
    expect(archive.toString('latin1', at, at + 6)).toBe('070701');
    const field = (index: number) =>
      Number.parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    const [mode, size, nameSize] = [field(1), field(6), field(11)] as const;
    const path = archive.toString('utf8', at + 110, at + 110 + nameSize - 1);
    const body = (at + 110 + nameSize + 3) & ~3;
    if (path === 'TRAILER!!!') return files;
    files.push({ path, mode, data: archive.toString('utf8', body, body + size) });
    at = (body + size + 3) & ~3;
  }
}

describe('the archive', () => {
  test('holds folders and files with names and lengths of every alignment', () => {
    const entries = ['', 'a', 'ab', 'abc', 'abcd', 'abcde'].map((data, index) => ({
      path: 'f'.repeat(index + 1),
      data,
    }));
    expect(unpack(cpio([{ path: 'folder' }, ...entries]))).toEqual([
      { path: 'folder', mode: 0o40755, data: '' },
      ...entries.map((entry) => ({ ...entry, mode: 0o100755 })),
    ]);
  });

  test('has a length that lets a second archive follow', () => {
    expect(cpio([{ path: 'abc', data: 'x' }]).length % 4).toBe(0);
  });
});

describe('the order of modules', () => {
  const dep = [
    'kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz',
    'kernel/net/9p/9pnet.ko.xz: kernel/fs/netfs/netfs.ko.xz',
    'kernel/fs/netfs/netfs.ko.xz:',
    'kernel/drivers/char/virtio-console.ko: ',
  ].join('\n');

  test('loads what a module needs before it, once', () => {
    expect(moduleOrder(dep, '', ['9p', '9pnet'])).toEqual([
      'kernel/fs/netfs/netfs.ko.xz',
      'kernel/net/9p/9pnet.ko.xz',
      'kernel/fs/9p/9p.ko.xz',
    ]);
  });

  test('takes - and _ in names as the same', () => {
    expect(moduleOrder(dep, '', ['virtio_console'])).toEqual(['kernel/drivers/char/virtio-console.ko']);
  });

  test('leaves out what is built into the kernel', () => {
    expect(moduleOrder(dep, 'kernel/drivers/virtio/virtio_pci.ko\n', ['virtio_pci'])).toEqual([]);
  });

  test('names a module the kernel does not have', () => {
    expect(() => moduleOrder(dep, '', ['overlay'])).toThrow(expect.objectContaining({ code: 'LAB_MODULE_MISSING' }));
  });
});

test('only paths below what the guest covers have to be shown to it, each once', () => {
  expect(coveredPaths(['/home/a', '/tmp/a', '/run/b/c', '/tmp', '/tmpfoo/x', '/tmp/a', '/tmp/a/b', '/tmp/ab'])).toEqual(
    ['/tmp/a', '/run/b/c', '/tmp/ab'],
  );
});

/** A 64-bit ELF file with one note. */
function elf(noteType: number): Buffer {
  const file = Buffer.alloc(0x100);
  file.write('\x7fELF', 0, 'latin1');
  file.writeBigUInt64LE(64n, 32); // program headers
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(4, 64); // PT_NOTE
  file.writeBigUInt64LE(0x80n, 64 + 8);
  file.writeBigUInt64LE(0x20n, 64 + 32);
  file.writeUInt32LE(4, 0x80);
  file.writeUInt32LE(8, 0x84);
  file.writeUInt32LE(noteType, 0x88);
  file.write('Xen\0', 0x8c, 'latin1');
  return file;
}

/** A bzImage with two set-up sectors around a payload. */
function bzImage(image: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(image.length);
  const payload = Buffer.concat([gzipSync(image), length]);
  const file = Buffer.concat([Buffer.alloc(3 * 512 + 16), payload, Buffer.alloc(64)]);
  file[0x1f1] = 2;
  file.write('HdrS', 0x202, 'latin1');
  file.writeUInt16LE(0x20f, 0x206);
  file.writeUInt32LE(16, 0x248);
  file.writeUInt32LE(payload.length, 0x24c);
  return file;
}

describe('the kernel image', () => {
  test('comes out of a bzImage as it went in', () => {
    expect(extractVmlinux(bzImage(elf(18)))).toEqual(elf(18));
  });

  test('is taken as it is when it is an ELF file already', () => {
    expect(extractVmlinux(elf(18))).toEqual(elf(18));
  });

  test('is not found in something else', () => {
    expect(extractVmlinux(Buffer.alloc(4096))).toBeUndefined();
    expect(extractVmlinux(bzImage(Buffer.from('no ELF file')))).toBeUndefined();
  });

  test('is started directly only with the note for it', () => {
    expect(hasPvhNote(elf(18))).toBe(true);
    expect(hasPvhNote(elf(17))).toBe(false);
  });

  test('LAB_KERNEL without LAB_MODULES is refused', () => {
    expect(() => findKernel('6.12', { LAB_KERNEL: '/k' })).toThrow(
      expect.objectContaining({ code: 'LAB_KERNEL_INCOMPLETE' }),
    );
  });

  test('a series that was not downloaded names the command that does it', () => {
    expect(() => findKernel('5.4', {})).toThrow(
      expect.objectContaining({ message: expect.stringContaining('scripts/setup.sh') }),
    );
  });
});

describe('frames', () => {
  test('survive any cutting of the stream', () => {
    const stream = Buffer.concat([
      encodeFrame('s'),
      encodeFrame('o', Buffer.from('hello')),
      encodeFrame('x', Buffer.from([7, 0])),
    ]);
    for (let size = 1; size <= stream.length; size++) {
      const seen: string[] = [];
      const reader = new FrameReader((type, payload) => seen.push(`${type}${payload.toString('hex')}`));
      for (let at = 0; at < stream.length; at += size) reader.push(stream.subarray(at, at + size));
      expect(seen).toEqual(['s', `o${Buffer.from('hello').toString('hex')}`, 'x0700']);
    }
  });

  test('are cut to what the agent accepts', () => {
    const lengths: number[] = [];
    new FrameReader((_, payload) => lengths.push(payload.length)).push(
      encodeFrame('i', Buffer.alloc(MAX_PAYLOAD * 2 + 1)),
    );
    expect(lengths).toEqual([MAX_PAYLOAD, MAX_PAYLOAD, 1]);
  });
});
