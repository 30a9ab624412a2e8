/**
 * Where the kernel's file systems are mounted. Layer: host.
 * Invariant: everything in this folder that reads sysfs, /dev or /proc takes the roots from here, so that tests can
 * put a tree of their own in their place.
 */
export interface SystemRoots {
  readonly sysfs: string;
  readonly dev: string;
  readonly proc: string;
}

export const SYSTEM_ROOTS: SystemRoots = { sysfs: '/sys', dev: '/dev', proc: '/proc' };
