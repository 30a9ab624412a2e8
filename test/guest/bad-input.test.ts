/**
 * Everything a user can get wrong: each has its own error code, cause and cure in one message, an exit status that is
 * not 0, and leaves nothing behind. Layer: test (host side of cases/bad-input.ts). The codes are those of
 * src/base/errors.ts; exit status 2 is a wrong command line, 1 everything else (src/daemon/exit-status.ts).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ErrorCode } from '../../src/base/errors.ts';
import type { BadRun, BadRunResult, PlainUp, RunAllResult, UserMiniport } from './cases/bad-input.ts';
import { CHIPS, GuestSession, ONE_CPU } from './support/session.ts';
import type { Leftovers } from './support/stage.ts';

const OWN = '0000:01:00.0';
const KERNELS = '0000:02:00.0';
const USER_FOLDER = '/tmp/user';
const TAKEN = 'taken0';
const OUR_TAP = 'tap9';

interface BadInput {
  readonly what: string;
  readonly run: BadRun;
  readonly code: ErrorCode;
  readonly status: 1 | 2;
  /** Must appear in the message: what was wrong, in this case's own words. */
  readonly says: RegExp;
}

const up = (bdf: string, ...more: string[]): readonly string[] => ['up', bdf, '--tap', OUR_TAP, ...more];
const miniport = (file: string): readonly string[] => up(OWN, '--miniport', `${USER_FOLDER}/${file}`);

/** Refused before the device is opened. */
const EARLY: readonly BadInput[] = [
  {
    what: 'a text that is no PCI address',
    run: { args: up('eth0') },
    code: 'E_BAD_ADDRESS',
    status: 2,
    says: /"eth0".*DOMAIN:BUS/s,
  },
  {
    what: 'an address without a device',
    run: { args: up('0000:7f:00.0') },
    code: 'E_NO_DEVICE',
    status: 1,
    says: /0000:7f:00\.0.*no PCI function/s,
  },
  {
    what: 'a function that is no NIC of ours',
    run: { args: up('0000:00:1f.0') },
    code: 'E_NOT_SUPPORTED',
    status: 1,
    says: /8086:[0-9a-f]{4}.*list/s,
  },
  {
    what: "a NIC that the kernel's driver has",
    run: { args: up(KERNELS) },
    code: 'E_WRONG_DRIVER',
    status: 1,
    says: /bound to e1000e.*bind-vfio\.sh 0000:02:00\.0/s,
  },
  {
    what: 'no /dev/vfio, as in a container that was not given it',
    run: { args: up(OWN), hide: '/dev/vfio' },
    code: 'E_NO_VFIO',
    status: 1,
    says: /\/dev\/vfio\/vfio does not exist.*modprobe vfio-pci/s,
  },
  {
    what: 'a locked-memory limit of 64 KiB without CAP_IPC_LOCK',
    run: { args: up(OWN), without: ['ipc_lock'], memlockBytes: 65_536 },
    code: 'E_MEMLOCK',
    status: 1,
    says: /RLIMIT_MEMLOCK allows 64 KiB.*ulimit -l \d+/s,
  },
  {
    what: 'an MTU below 68',
    run: { args: up(OWN, '--mtu', '67') },
    code: 'E_MTU',
    status: 2,
    says: /67.*68.*9000/s,
  },
  {
    what: 'an MTU above 9000',
    run: { args: up(OWN, '--mtu', '9001') },
    code: 'E_MTU',
    status: 2,
    says: /9001.*68.*9000/s,
  },
  {
    what: 'an MTU that is no number',
    run: { args: up(OWN, '--mtu', 'jumbo') },
    code: 'E_MTU',
    status: 2,
    says: /jumbo/,
  },
  {
    what: 'no TAP name',
    run: { args: ['up', OWN] },
    code: 'E_OPTION',
    status: 2,
    says: /--tap.*--help/s,
  },
  {
    what: 'a kind of interrupts that does not exist',
    run: { args: up(OWN, '--interrupts', 'smoke') },
    code: 'E_OPTION',
    status: 2,
    says: /smoke.*msix, msi, line/s,
  },
  {
    what: 'a miniport file that does not exist',
    run: { args: miniport('nowhere.mjs') },
    code: 'E_MINIPORT_FILE',
    status: 1,
    says: /nowhere\.mjs.*no such file/s,
  },
  {
    what: 'a miniport file that is a folder',
    run: { args: miniport('a-folder.mjs') },
    code: 'E_MINIPORT_FILE',
    status: 1,
    says: /not a regular file/,
  },
  {
    what: 'a miniport file that may not be read',
    run: { args: miniport('unreadable.mjs'), without: ['dac_override', 'dac_read_search'] },
    code: 'E_MINIPORT_FILE',
    status: 1,
    says: /may not read/,
  },
  {
    what: 'a miniport file that is no JavaScript',
    run: { args: miniport('broken.mjs') },
    code: 'E_MINIPORT_FILE',
    status: 1,
    says: /SyntaxError.*node --check/s,
  },
  {
    what: 'a miniport file without DriverEntry',
    run: { args: miniport('no-entry.mjs') },
    code: 'E_MINIPORT_FILE',
    status: 1,
    says: /no function named DriverEntry/,
  },
  {
    what: 'a DriverEntry that throws',
    run: { args: miniport('entry-throws.mjs') },
    code: 'E_DRIVER_ENTRY',
    status: 1,
    says: /cannot read the registry/,
  },
  {
    what: 'a DriverEntry that fails',
    run: { args: miniport('entry-fails.mjs') },
    code: 'E_DRIVER_ENTRY',
    status: 1,
    says: /NDIS_STATUS_RESOURCES/,
  },
  {
    what: 'the status of a NIC that does not run',
    run: { args: ['status', OWN] },
    code: 'E_STATE',
    status: 1,
    says: /0000:01:00\.0/,
  },
];

/** Refused with the device open. */
const LATE: readonly BadInput[] = [
  {
    what: 'no permission to create a TAP',
    run: { args: up(OWN), without: ['net_admin'] },
    code: 'E_TAP_PERMISSION',
    status: 1,
    says: /CAP_NET_ADMIN/,
  },
  {
    what: 'a TAP name that an interface has',
    run: { args: ['up', OWN, '--tap', TAKEN] },
    code: 'E_TAP_NAME',
    status: 1,
    says: /taken0.*exists.*ip link/s,
  },
  {
    what: 'a TAP name of 16 characters',
    run: { args: ['up', OWN, '--tap', 'a-very-long-name'] },
    code: 'E_TAP_NAME',
    status: 1,
    says: /16 characters.*at most 15/s,
  },
  {
    what: 'no /dev/net/tun',
    run: { args: up(OWN), hide: '/dev/net' },
    code: 'E_NO_TUN',
    status: 1,
    says: /\/dev\/net\/tun.*modprobe tun/s,
  },
  {
    what: 'a MiniportInitializeEx that fails',
    run: { args: miniport('initialize-fails.mjs') },
    code: 'E_INITIALIZE',
    status: 1,
    says: /NDIS_STATUS_ADAPTER_NOT_FOUND/,
  },
];

/** Rows with a sentence as their name: vitest cuts `$name` placeholders short. */
function named(rows: readonly BadInput[]): [name: string, row: BadInput, index: number][] {
  return rows.map((row, index) => [`${row.what} is ${row.code} with exit status ${row.status}`, row, index]);
}

const NOTHING_LEFT: Leftovers = { interfaces: [], sockets: [], holders: [] };
const ONLY_THE_DUMMY: Leftovers = { interfaces: [TAKEN], sockets: [], holders: [] };

/** One message on standard error: "ndis-vfio: CODE: action: cause." and the cure on a line of its own. */
function expectError(result: BadRunResult, { code, status, says }: Omit<BadInput, 'what' | 'run'>): void {
  expect(result.stderr).toMatch(new RegExp(`^ndis-vfio: ${code}: Cannot [^\\n]+: [^\\n]+\\.\\n {2}\\S[^\\n]*\\n$`));
  expect(result.stderr).toMatch(says);
  expect(result.status).toBe(status);
}

describe('bad input to the command line', () => {
  let session: GuestSession;
  let results: RunAllResult;

  beforeAll(async () => {
    session = await GuestSession.boot({
      cpus: ONE_CPU,
      nics: [
        { model: 'igb', wire: 'null' },
        { model: 'e1000e', wire: 'null' },
      ],
    });
  });
  afterAll(() => session?.close());

  test('a NIC without a driver is refused before vfio-pci is loaded: E_WRONG_DRIVER says how to bind it', async () => {
    const result = await session.call<BadRunResult & { left: Leftovers }>('bad-input', 'run', { args: up(OWN) });
    expectError(result, {
      code: 'E_WRONG_DRIVER',
      status: 1,
      says: /bound to no driver.*bind-vfio\.sh 0000:01:00\.0/s,
    });
    expect(result.left).toEqual(NOTHING_LEFT);
  });

  describe('of a NIC bound to vfio-pci', () => {
    beforeAll(async () => {
      const driver = await session.call('bad-input', 'setScene', {
        own: OWN,
        other: KERNELS,
        folder: USER_FOLDER,
        takenName: TAKEN,
      });
      expect(driver).toBe('e1000e');
      results = await session.call<RunAllResult>('bad-input', 'runAll', {
        early: EARLY.map(({ run }) => run),
        late: LATE.map(({ run }) => run),
      });
    });

    test.each(named(EARLY))('%s', (_name, row, index) => {
      expectError(results.early[index]!, row);
    });

    test.each(named(LATE))('%s', (_name, row, index) => {
      expectError(results.late[index]!, row);
    });

    test('none of them left an interface, a socket or an open device', () => {
      expect(results.left).toEqual(ONLY_THE_DUMMY);
    });

    test('after all of them the next `up` works; a second one is E_BUSY and does not disturb the first', async () => {
      const { end, left, second, runsAfterSecond } = await session.call<PlainUp>('bad-input', 'upAfterAll', {
        bdf: OWN,
      });
      expectError(second, { code: 'E_BUSY', status: 1, says: /process \d+ \(node\)/ });
      expect({ runsAfterSecond, status: end.status, left }).toEqual({
        runsAfterSecond: true,
        status: 0,
        left: ONLY_THE_DUMMY,
      });
    });

    test('a group node that belongs to someone else is E_PERMISSION with the owner', async () => {
      await session.call('bad-input', 'chownGroup', { bdf: OWN, owner: '1234:1234' });
      const result = await session.call<BadRunResult>('bad-input', 'run', {
        args: up(OWN),
        without: ['dac_override', 'dac_read_search'],
      });
      expectError(result, { code: 'E_PERMISSION', status: 1, says: /owner 1234, group 1234/ });
      await session.call('bad-input', 'chownGroup', { bdf: OWN, owner: '0:0' });
    });

    test("a user's own miniport outside of the package imports ndis-vfio/ndis and runs the NIC", async () => {
      const file = `${USER_FOLDER}/tiny-miniport.mjs`;
      const facts = await session.call<UserMiniport>('bad-input', 'userMiniport', { bdf: OWN, file });
      expect(facts).toMatchObject({
        miniport: file,
        mac: '52:54:00:12:34:56',
        tapMac: '52:54:00:12:34:56',
        left: ONLY_THE_DUMMY,
      });
      expect(facts.end.status).toBe(0);
    });
  });

  test("a card whose second function has the kernel's driver is E_GROUP_NOT_VIABLE and names that function", async () => {
    // e1000e announces no ACS, so the kernel puts the functions of one card into one group. Function 0 comes last: its
    // arrival is what makes the slot scan (PCI Express hot plug).
    const { gone } = await session.unplug(0);
    await gone;
    const add = (addr: string, id: string, more: object) =>
      session.guest.qmp('device_add', {
        driver: 'e1000e',
        bus: 'port0',
        addr,
        id,
        romfile: '',
        multifunction: true,
        ...more,
      });
    await add('0.1', 'second', {});
    await add('0.0', 'first', { netdev: session.guest.nics[0]!.netdev });
    const other = '0000:01:00.1';
    expect(await session.call('bad-input', 'splitCard', { own: OWN, other })).toEqual([OWN, other]);
    const result = await session.call<BadRunResult & { left: Leftovers }>('bad-input', 'run', { args: up(OWN) });
    expectError(result, { code: 'E_GROUP_NOT_VIABLE', status: 1, says: /0000:01:00\.1 \(e1000e\).*bind-vfio\.sh/s });
    expect(result.left).toEqual(ONLY_THE_DUMMY);
  });
});

describe('a machine without an IOMMU', () => {
  let session: GuestSession;
  beforeAll(async () => {
    session = await GuestSession.boot({
      cpus: ONE_CPU,
      nics: CHIPS.map((model) => ({ model, wire: 'null' })),
      iommu: false,
    });
  });
  afterAll(() => session?.close());

  test.each([
    ['igb', OWN],
    ['e1000e', KERNELS],
  ])('%s is E_NO_IOMMU: the message names the firmware and the kernel option', async (_chip, bdf) => {
    expect(await session.call('bad-input', 'plainBind', { bdf })).toMatchObject({ group: false });
    const result = await session.call<BadRunResult & { left: Leftovers }>('bad-input', 'run', { args: up(bdf) });
    expectError(result, { code: 'E_NO_IOMMU', status: 1, says: /no IOMMU group.*intel_iommu=on/s });
    expect(result.left).toEqual(NOTHING_LEFT);
  });
});
