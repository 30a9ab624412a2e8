/**
 * TAP wires: a network namespace per guest with one TAP device per NIC that wants one. Layer: scripts.
 * Invariants: the name of the namespace holds the process id of its maker, so that leftovers of killed ones are found;
 * nothing in the namespace sends frames of its own (no IPv6, no addresses).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { LabError } from './errors.mjs';

let count = 0;

/** @param {readonly string[]} args */
function ip(args) {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status === 0) return;
  throw new LabError('LAB_TAP', {
    action: 'Cannot make the tap wire',
    cause: error ? 'there is no ip command' : `ip ${args.join(' ')}: ${stderr.trim()}`,
    cure: error
      ? 'Run: apt-get install iproute2'
      : 'A tap wire needs root (CAP_NET_ADMIN, CAP_SYS_ADMIN) and /dev/net/tun.',
  });
}

/**
 * Makes the namespace and its TAP devices (tapN for NIC N), up and empty.
 * @param {readonly number[]} nics
 * @returns {{ netns: string, remove: () => void }}
 */
export function openTaps(nics) {
  sweep();
  const netns = `lab-${process.pid}-${count++}`;
  const remove = () => void spawnSync('ip', ['netns', 'delete', netns], { stdio: 'ignore' });
  ip(['netns', 'add', netns]);
  try {
    ip([
      'netns',
      'exec',
      netns,
      'sh',
      '-c',
      'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6',
    ]);
    for (const nic of nics) {
      ip(['-n', netns, 'tuntap', 'add', 'dev', `tap${nic}`, 'mode', 'tap']);
      ip(['-n', netns, 'link', 'set', 'dev', `tap${nic}`, 'txqueuelen', '10000', 'mtu', '9000', 'up']);
    }
  } catch (error) {
    remove();
    throw error;
  }
  return { netns, remove };
}

/** Removes the namespaces of labs that were killed. */
function sweep() {
  if (!existsSync('/run/netns')) return;
  for (const name of readdirSync('/run/netns')) {
    const match = /^lab-(\d+)-\d+$/.exec(name);
    if (match && !existsSync(`/proc/${match[1]}`)) spawnSync('ip', ['netns', 'delete', name], { stdio: 'ignore' });
  }
}
