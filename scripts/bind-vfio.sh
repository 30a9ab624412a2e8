#!/usr/bin/env bash
# Gives one PCI network function to vfio-pci, or back to the driver it had. Layer: scripts; needs root.
# Invariants: touches the named function only (driver_override, never new_id, which would catch its twins); what it
# changed is remembered under /run/ndis-vfio and undone by --undo; refuses a NIC that is in use unless --force.
set -euo pipefail
export LC_ALL=C

usage() {
  cat <<'TEXT'
usage: scripts/bind-vfio.sh [--force] BDF     bind BDF (0000:01:00.0 or 01:00.0) to vfio-pci
       scripts/bind-vfio.sh --undo BDF        give it back to the driver it had

The NIC leaves the kernel: its interface and everything configured on it disappear until --undo.
--force binds although the NIC is in use (addresses, routes, bridge or bond member) or is not an Ethernet controller.
TEXT
}

# die ACTION CAUSE CURE
die() {
  printf 'bind-vfio: %s: %s. %s\n' "$1" "$2" "$3" >&2
  exit 1
}

undo=0 force=0 bdf=''
for argument in "$@"; do
  case "$argument" in
    --undo) undo=1 ;;
    --force) force=1 ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*)
      usage >&2
      exit 2
      ;;
    *)
      [ -z "$bdf" ] || {
        usage >&2
        exit 2
      }
      bdf=${argument,,}
      ;;
  esac
done
[ -n "$bdf" ] || {
  usage >&2
  exit 2
}
[[ $bdf =~ ^[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$ ]] && bdf=0000:$bdf
action="Cannot bind $bdf"
[ "$undo" = 0 ] || action="Cannot give $bdf back"
[[ $bdf =~ ^[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$ ]] ||
  die "$action" 'that is not a PCI address' 'Give it as domain:bus:device.function, for example 0000:01:00.0 (see /sys/bus/pci/devices).'
[ "$(id -u)" = 0 ] || die "$action" 'this needs root' "Run: sudo bash scripts/bind-vfio.sh $*"

pci=/sys/bus/pci
device=$pci/devices/$bdf
state=/run/ndis-vfio/$bdf
[ -d "$device" ] || die "$action" 'there is no such PCI device' "Existing ones: $(cd $pci/devices && echo *)."

driver_of() { if [ -e "$1/driver" ]; then basename "$(readlink -f "$1/driver")"; fi; }

# write VALUE FILE: one write(2), with the kernel's own words when it refuses.
put() {
  local message
  message=$({ printf '%s\n' "$1" >"$2"; } 2>&1) || die "$action" "the kernel refused \"$1\" in $2 (${message##*: })" "$3"
}

unbind() {
  local driver
  driver=$(driver_of "$device")
  [ -z "$driver" ] || put "$bdf" "$pci/drivers/$driver/unbind" "See dmesg."
}

if [ "$undo" = 1 ]; then
  before='' aspm=''
  if [ -f "$state" ]; then
    # Two lines: driver before (may be empty), ASPM files with their values.
    { read -r before || true; read -r aspm || true; } <"$state"
  elif [ "$(driver_of "$device")" != vfio-pci ]; then
    die "$action" "it is not bound to vfio-pci but to $(driver_of "$device" | grep . || echo no driver)" 'There is nothing to undo.'
  fi
  [ "$(driver_of "$device")" != vfio-pci ] || unbind
  put '' "$device/driver_override" 'See dmesg.'
  for pair in $aspm; do
    [ ! -w "$device/link/${pair%%=*}" ] || printf '%s\n' "${pair#*=}" >"$device/link/${pair%%=*}" || true
  done
  if [ -z "$(driver_of "$device")" ] && [ "$before" != - ]; then
    [ -z "$before" ] || modprobe -q "$before" || true
    put "$bdf" "$pci/drivers_probe" 'See dmesg.'
    if [ -n "$before" ] && [ "$(driver_of "$device")" != "$before" ]; then
      die "$action" "driver $before did not take it" 'See dmesg; the device has no driver now.'
    fi
  fi
  rm -f "$state"
  echo "bind-vfio: $bdf: $(driver_of "$device" | grep . || echo 'no driver (as before)')"
  exit 0
fi

now=$(driver_of "$device")
class=$(<"$device/class")
if [ "$force" = 0 ]; then
  [[ $class == 0x0200* ]] ||
    die "$action" "it is not an Ethernet controller (class $class)" 'Check the address; --force binds it all the same.'
fi
[ -e "$device/iommu_group" ] ||
  die "$action" 'it is in no IOMMU group, so there is no IOMMU at work' \
    'Switch VT-d or AMD-Vi on in the firmware and boot with intel_iommu=on (AMD: it is on by itself).'

# In use? An interface with a route, an address of global scope or a master would cut somebody off.
if [ "$force" = 0 ] && [ -d "$device/net" ]; then
  for path in "$device"/net/*; do
    name=${path##*/}
    in_use=''
    if [ -n "$(ip route show default dev "$name" 2>/dev/null)$(ip -6 route show default dev "$name" 2>/dev/null)" ]; then
      in_use='carries the default route'
    elif [ -n "$(ip -o address show dev "$name" scope global 2>/dev/null)" ]; then
      in_use='has addresses'
    elif [ -e "$path/master" ]; then
      in_use="belongs to $(basename "$(readlink -f "$path/master")")"
    fi
    [ -z "$in_use" ] ||
      die "$action" "its interface $name $in_use" "Take the configuration off (ip address flush dev $name) or add --force; do not do that over the connection you are using."
  done
fi

if [ "$now" != vfio-pci ]; then
  modprobe vfio-pci 2>/dev/null || [ -d $pci/drivers/vfio-pci ] ||
    die "$action" 'the kernel has no module vfio-pci' "Install the modules of kernel $(uname -r)."
  mkdir -p /run/ndis-vfio
  # 82574: L0s and L1 hang this chip, and through VFIO nobody can switch them off later [e1000e/82571.c].
  aspm=''
  case "$(<"$device/vendor"):$(<"$device/device")" in
    0x8086:0x10d3 | 0x8086:0x10f6 | 0x8086:0x150c)
      for name in l0s_aspm l1_aspm; do
        [ -w "$device/link/$name" ] || continue
        aspm+="$name=$(<"$device/link/$name") "
        printf '0\n' >"$device/link/$name" || true
      done
      ;;
  esac
  # Written before the change: an interrupted run can be undone.
  printf '%s\n%s\n' "${now:--}" "$aspm" >"$state"
  put vfio-pci "$device/driver_override" 'See dmesg.'
  unbind
  put "$bdf" "$pci/drivers_probe" 'See dmesg.'
  [ "$(driver_of "$device")" = vfio-pci ] || die "$action" 'vfio-pci did not take it' "See dmesg; undo with: scripts/bind-vfio.sh --undo $bdf"
fi

how="vfio-pci (before: ${now:-no driver})"
[ "$now" != vfio-pci ] || how="already bound to vfio-pci"
group=$(basename "$(readlink -f "$device/iommu_group")")
echo "bind-vfio: $bdf: $how, IOMMU group $group, /dev/vfio/$group"
viable=1
for member in "$device"/iommu_group/devices/*; do
  other=${member##*/}
  [ "$other" != "$bdf" ] || continue
  driver=$(driver_of "$member")
  echo "bind-vfio: group $group also holds $other ($(<"$member/class"), driver ${driver:-none})"
  case "$driver" in '' | vfio-pci | pcieport | pci-stub) ;; *) viable=0 ;; esac
done
[ "$viable" = 1 ] || echo "bind-vfio: group $group is not viable until those with another driver are bound to vfio-pci or to none" >&2
