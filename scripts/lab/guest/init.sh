#!/bin/busybox sh
# First program of the lab guest, from the initramfs: loads the few modules it needs, makes the host's root file system
# (9p, read-only, under a writable overlay in memory) the root, and hands over to the agent. Layer: scripts (guest).
# Invariant: nothing here loads a NIC driver; what the guest writes never reaches the host.
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /lower /rw /new /host
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
. /lab/config

die() {
  echo "lab-init: $*" >/dev/kmsg
  echo "lab-init: $*" >/dev/ttyS0
  /bin/busybox poweroff -f
}

for module in $(cat /lab/modules/order); do
  insmod "/lab/modules/$module" || die "cannot load $module"
done

mount -t 9p -o "ro,trans=virtio,version=9p2000.L,msize=1048576,cache=$LAB_CACHE" host /lower || die 'cannot mount the root of the host'
mount -t tmpfs -o size=75%,mode=755 rw /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work root /new || die 'cannot mount the overlay'
mount --bind /new /host

mount -t tmpfs -o mode=1777 tmp /new/tmp
mount -t tmpfs -o mode=755 run /new/run
# What the guest has to see although it lies under a folder that has just been covered.
while read -r path; do
  if [ -d "/host$path" ]; then mkdir -p "/new$path"; else mkdir -p "/new${path%/*}" && touch "/new$path"; fi
  mount --bind "/host$path" "/new$path" || die "cannot show $path"
done </lab/visible
mkdir -p /new/run/lab/bin /new/run/lock /new/run/netns /new/proc /new/sys /new/dev
cp /lab/agent /lab/argv /lab/env /lab/settings /new/run/lab/
ln -s "$LAB_NODE" /new/run/lab/bin/node

mkdir -p "/new/lib/modules/$LAB_RELEASE"
mount --bind "/new$LAB_MODULE_TREE" "/new/lib/modules/$LAB_RELEASE" || die "cannot show $LAB_MODULE_TREE"

mkdir -p /dev/pts /dev/shm /dev/net /dev/hugepages
mount -t devpts -o mode=620,ptmxmode=666 pts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t hugetlbfs huge /dev/hugepages
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
ln -sf /proc/self/fd /dev/fd
ln -sf fd/0 /dev/stdin
ln -sf fd/1 /dev/stdout
ln -sf fd/2 /dev/stderr
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t debugfs debug /sys/kernel/debug
mount -t tracefs trace /sys/kernel/tracing

hostname lab
ip link set lo up
echo '127.0.0.1 localhost lab' >/new/etc/hosts

mount --move /proc /new/proc
mount --move /sys /new/sys
until port=$(ls /dev/vport*p1 2>/dev/null); do usleep 20000; done
mount --move /dev /new/dev
exec switch_root /new /run/lab/agent "$port"
