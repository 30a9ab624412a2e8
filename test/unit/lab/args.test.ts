/**
 * Arguments of `npm run lab` as its --help describes them. Layer: test (unit).
 */
import { describe, expect, test } from 'vitest';
import { parseLabArgs, USAGE } from '../../../scripts/lab/args.mjs';

const boot = (...argv: string[]) => parseLabArgs(argv).boot;

describe('the arguments of the lab', () => {
  test('without --nic the guest has two igb on one hub', () => {
    expect(boot('--', 'true').nics).toEqual([
      { model: 'igb', wire: 'hub' },
      { model: 'igb', wire: 'hub' },
    ]);
  });

  test('one --wire holds for every NIC', () => {
    expect(boot('--nic', 'igb', '--nic', 'e1000e', '--wire', 'null', '--', 'true').nics).toEqual([
      { model: 'igb', wire: 'null' },
      { model: 'e1000e', wire: 'null' },
    ]);
  });

  test('several --wire go to the NICs in order', () => {
    const { nics } = boot('--nic', 'igb', '--nic=igb', '--wire', 'tap', '--wire=stream:/run/a', '--', 'true');
    expect(nics?.map(({ wire }) => wire)).toEqual(['tap', 'stream:/run/a']);
  });

  test('everything behind the first -- is COMMAND, options and further -- included', () => {
    expect(boot('--cpus', '1', '--', 'sh', '-c', 'x', '--', '--nic').command).toEqual(['sh', '-c', 'x', '--', '--nic']);
  });

  test('numbers, switches and variables reach the boot options', () => {
    expect(
      boot(
        ...['--kernel', '6.1', '--cpus', '4', '--memory', '2048', '--iommu', 'off', '--timeout', '30'],
        ...['--qmp', 'q', '--dump', 'd.pcap', '--env', 'A=b=c', '--env', 'E=', '--', 'true'],
      ),
    ).toEqual({
      nics: [
        { model: 'igb', wire: 'hub' },
        { model: 'igb', wire: 'hub' },
      ],
      kernel: '6.1',
      cpus: 4,
      memoryMiB: 2048,
      iommu: false,
      timeoutSeconds: 30,
      qmp: 'q',
      dump: 'd.pcap',
      env: { A: 'b=c', E: '' },
      command: ['true'],
    });
  });

  test('what is not given is left to the defaults of bootLab', () => {
    expect(Object.keys(boot('--', 'true')).sort()).toEqual(['command', 'env', 'nics']);
  });

  test('--shell needs no COMMAND', () => {
    expect(parseLabArgs(['--shell'])).toMatchObject({ shell: true, help: false });
  });

  test('--help wins over a missing COMMAND and names every option', () => {
    expect(parseLabArgs(['--help']).help).toBe(true);
    for (const name of ['nic', 'wire', 'kernel', 'cpus', 'memory', 'iommu', 'timeout', 'qmp', 'dump', 'shell']) {
      expect(USAGE).toContain(`--${name}`);
    }
  });

  test.each([
    [['--'], /there is no COMMAND/],
    [['true'], /"true" is no option.*behind --/],
    [['--nic', 'e1000', '--', 'true'], /--nic e1000: it is one of igb, e1000e/],
    [['--wire', 'radio', '--', 'true'], /--wire radio.*no such wire/],
    [['--wire', 'stream:', '--', 'true'], /no such wire/],
    [['--wire', 'hub', '--wire', 'hub', '--wire', 'hub', '--', 'true'], /3 times --wire for 2 NICs/],
    [['--wire', 'stream:/run/a', '--', 'true'], /two NICs on one socket/],
    [['--wire', 'dgram:/run/a', '--wire', 'dgram:/run/a', '--', 'true'], /two NICs on one socket/],
    [['--wire', `stream:/${'a'.repeat(110)}`, '--', 'true'], /107 bytes/],
    [['--kernel', '5.10', '--', 'true'], /--kernel 5.10: it is one of 6.12, 6.1/],
    [['--cpus', '0', '--', 'true'], /--cpus 0 is no whole number/],
    [['--memory', '2G', '--', 'true'], /--memory 2G is no whole number/],
    [['--iommu', 'yes', '--', 'true'], /--iommu yes: it is one of on, off/],
    [['--env', 'NAME', '--', 'true'], /NAME is not NAME=VALUE/],
    [['--speed', '9', '--', 'true'], /--speed/],
    [[...Array(17).fill('--nic=igb'), '--', 'true'], /room for 16/],
  ])('%j is refused with cause and cure', (argv, message) => {
    expect(() => parseLabArgs(argv as string[])).toThrow(
      expect.objectContaining({ code: 'LAB_OPTION', message: expect.stringMatching(message) }),
    );
  });
});
