/** The published vectors of the page `verifying-the-rss-hash-calculation`, and the rules of `rss-hashing-types`. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  indirectionIndex,
  NDIS_HASH_IPV4,
  NDIS_HASH_IPV6,
  NDIS_HASH_TCP_IPV4,
  NDIS_HASH_TCP_IPV6,
  NDIS_HASH_UDP_IPV4,
  RssClassifier,
  toeplitzHash,
} from '../../../src/ndis/index.ts';

const KEY = Uint8Array.from(
  ('6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b4' + '77cb2da38030f20c6a42b73bbeac01fa').match(/../g) as string[],
  (byte) => Number.parseInt(byte, 16),
);

/** destination, its port, source, its port, hash of the addresses, hash with TCP ports. */
const IPV4: readonly (readonly [string, number, string, number, number, number])[] = [
  ['161.142.100.80', 1766, '66.9.149.187', 2794, 0x323e8fc2, 0x51ccc178],
  ['65.69.140.83', 4739, '199.92.111.2', 14230, 0xd718262a, 0xc626b0ea],
  ['12.22.207.184', 38024, '24.19.198.95', 12898, 0xd2d0a5de, 0x5c2b394a],
  ['209.142.163.6', 2217, '38.27.205.30', 48228, 0x82989176, 0xafc7327f],
  ['202.188.127.2', 1303, '153.39.163.191', 44251, 0x5d1809c5, 0x10e828a2],
];
const IPV6: typeof IPV4 = [
  ['3ffe:2501:200:3::1', 1766, '3ffe:2501:200:1fff::7', 2794, 0x2cc18cd5, 0x40207d3d],
  ['ff02::1', 4739, '3ffe:501:8::260:97ff:fe40:efab', 14230, 0x0f0c461c, 0xdde51bbf],
  ['fe80::200:f8ff:fe21:67cf', 38024, '3ffe:1900:4545:3:200:f8ff:fe21:67cf', 44251, 0x4b61e985, 0x02d1feef],
];

const u16 = (value: number): number[] => [value >> 8, value & 0xff];

function address4(text: string): number[] {
  return text.split('.').map(Number);
}

function address6(text: string): number[] {
  const [head = '', tail] = text.split('::');
  const front = head.split(':').filter((part) => part !== '');
  const back = (tail ?? '').split(':').filter((part) => part !== '');
  const zeros = Array(8 - front.length - back.length).fill('0');
  return [...front, ...zeros, ...back].flatMap((part) => u16(Number.parseInt(part, 16)));
}

const TCP = 6;
const UDP = 17;

function frame4(protocol: number, source: string, destination: string, ports: number[], fragment = 0, tag = false) {
  const header = [0x45, 0, 0, 40, 0, 0, ...u16(fragment), 64, protocol, 0, 0];
  const vlan = tag ? [0x81, 0, 0, 5] : [];
  const ip = [...header, ...address4(source), ...address4(destination), ...ports, ...Array(16).fill(0)];
  return Uint8Array.from([...Array(12).fill(2), ...vlan, 8, 0, ...ip]);
}

function frame6(protocol: number, source: string, destination: string, ports: number[]) {
  const header = [0x60, 0, 0, 0, 0, 20, protocol, 64];
  const ip = [...header, ...address6(source), ...address6(destination), ...ports, ...Array(16).fill(0)];
  return Uint8Array.from([...Array(12).fill(2), 0x86, 0xdd, ...ip]);
}

describe('the Toeplitz hash', () => {
  it.each(IPV4)('of %s:%i from %s:%i is as published', (to, toPort, from, fromPort, plain, tcp) => {
    const input = Uint8Array.from([...address4(from), ...address4(to), ...u16(fromPort), ...u16(toPort)]);
    expect(toeplitzHash(KEY, input, 8)).toBe(plain);
    expect(toeplitzHash(KEY, input, 12)).toBe(tcp);
  });

  it.each(IPV6)('of [%s]:%i from [%s]:%i is as published', (to, toPort, from, fromPort, plain, tcp) => {
    const input = Uint8Array.from([...address6(from), ...address6(to), ...u16(fromPort), ...u16(toPort)]);
    expect(toeplitzHash(KEY, input, 32)).toBe(plain);
    expect(toeplitzHash(KEY, input, 36)).toBe(tcp);
  });

  it('chooses an entry of the table by its low bits', () => {
    expect(indirectionIndex(0x51ccc178, 128)).toBe(0x78);
    expect(indirectionIndex(0xffffffff, 1)).toBe(0);
  });
});

describe('a frame', () => {
  const all = NDIS_HASH_IPV4 | NDIS_HASH_TCP_IPV4 | NDIS_HASH_IPV6 | NDIS_HASH_TCP_IPV6;
  const [to, toPort, from, fromPort, plain, tcp] = IPV4[0] as (typeof IPV4)[number];
  const ports = [...u16(fromPort), ...u16(toPort)];
  const classify = (types: number, frame: Uint8Array) => {
    const one = new RssClassifier(types, KEY);
    return one.classify(frame, 0, frame.length) ? [one.hashType, one.hashValue] : null;
  };

  it.each(IPV4)('of TCP to %s:%i from %s:%i gets the published hash and its type', (d, dp, s, sp, _plain, hash) => {
    expect(classify(all, frame4(TCP, s, d, [...u16(sp), ...u16(dp)]))).toEqual([NDIS_HASH_TCP_IPV4, hash]);
  });

  it.each(IPV6)('of TCP to [%s]:%i from [%s]:%i gets the published hash and its type', (d, dp, s, sp, plain6, hash) => {
    expect(classify(all, frame6(TCP, s, d, [...u16(sp), ...u16(dp)]))).toEqual([NDIS_HASH_TCP_IPV6, hash]);
    expect(classify(all, frame6(UDP, s, d, [...u16(sp), ...u16(dp)]))).toEqual([NDIS_HASH_IPV6, plain6]);
  });

  it('gets the most specific type that is enabled, and none when none is', () => {
    const udp = frame4(UDP, from, to, ports);
    expect(classify(all, udp)).toEqual([NDIS_HASH_IPV4, plain]);
    expect(classify(all | NDIS_HASH_UDP_IPV4, udp)).toEqual([NDIS_HASH_UDP_IPV4, tcp]);
    expect(classify(NDIS_HASH_TCP_IPV4, udp)).toBeNull();
    expect(classify(NDIS_HASH_IPV6, udp)).toBeNull();
  });

  it('that is a fragment gets the hash of its addresses, or none without an IP type', () => {
    for (const field of [0x2000, 0x00b9]) {
      const fragment = frame4(TCP, from, to, ports, field);
      expect(classify(all, fragment)).toEqual([NDIS_HASH_IPV4, plain]);
      expect(classify(NDIS_HASH_TCP_IPV4, fragment)).toBeNull();
    }
    expect(classify(all, frame4(TCP, from, to, ports, 0x4000))).toEqual([NDIS_HASH_TCP_IPV4, tcp]);
  });

  it('with a VLAN tag, and at an offset of its buffer, is hashed the same', () => {
    expect(classify(all, frame4(TCP, from, to, ports, 0, true))).toEqual([NDIS_HASH_TCP_IPV4, tcp]);
    const frame = frame4(TCP, from, to, ports);
    const one = new RssClassifier(all, KEY);
    const buffer = new Uint8Array(frame.length + 7);
    buffer.set(frame, 7);
    expect(one.classify(buffer, 7, frame.length)).toBe(true);
    expect(one.hashValue).toBe(tcp);
  });

  it('that is neither IPv4 nor IPv6, or cut short, gets no hash', () => {
    expect(classify(all, Uint8Array.from([...Array(12).fill(2), 8, 6, ...Array(46).fill(0)]))).toBeNull();
    expect(classify(all, frame4(TCP, from, to, ports).subarray(0, 30))).toBeNull();
    expect(classify(all, frame6(TCP, '::1', '::2', ports).subarray(0, 50))).toBeNull();
  });
});
