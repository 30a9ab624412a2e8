#!/usr/bin/env bash
# Sets a Debian 12 or 13 machine up for ndis-vfio: packages, kernels for the lab, npm modules, addon, TypeScript.
# Layer: scripts. Idempotent: seconds when nothing is missing. Root is needed only when a package is missing.
# Invariants: installs from the mirrors that apt is already configured with; adds no source to /etc/apt;
# kernels are unpacked under .lab/ (git-ignored), never installed; asks nothing, starts no service.
#
# usage: scripts/setup.sh           install and build what is missing
#        scripts/setup.sh --check   only report; exit status 1 when something is missing
#        scripts/setup.sh --kernel 6.12   only this kernel for the lab, not 6.12 and 6.1 (what npm start needs)
set -euo pipefail
export LC_ALL=C.UTF-8
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
LAB=$ROOT/.lab
CHECK=0
KERNELS=(6.12 6.1)
while [ $# -gt 0 ]; do
  case "$1" in
    --check) CHECK=1 ;;
    --kernel)
      case "${2:-}" in
        6.1 | 6.12) KERNELS=("$2") ;;
        *)
          echo "setup: --kernel is 6.1 or 6.12, not '${2:-}'" >&2
          exit 2
          ;;
      esac
      shift
      ;;
    -h | --help)
      echo 'usage: scripts/setup.sh [--check] [--kernel 6.1|6.12]'
      echo 'Installs what is missing (packages, lab kernels, npm modules) and builds. --check only reports.'
      exit 0
      ;;
    *)
      echo "setup: unknown option $1 (--check and --kernel are known)" >&2
      exit 2
      ;;
  esac
  shift
done

started=$SECONDS
missing=0
say() { printf 'setup: %3d s  %s\n' "$((SECONDS - started))" "$*"; }
die() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

# ---------------------------------------------------------------------------------------------- packages

# package:command or file that proves it:why. A tool installed by other means (Node from a tarball, a QEMU in
# /usr/local) counts: what is checked is the tool, not the package.
PACKAGES=(
  'build-essential:g++:compiles the native addon'
  'build-essential:make:node-gyp drives make'
  'python3:python3:node-gyp is written in it'
  'busybox-static:/bin/busybox:the shell in the initramfs of the lab'
  'iproute2:ip:sets up interfaces and network namespaces'
  'iperf3:iperf3:measures throughput in the demonstration and the tests'
  'tcpdump:tcpdump:reads the captures of the lab'
  'ethtool:ethtool:reads offload settings and counters'
  'iputils-ping:ping:pings across the wire'
  'kmod:depmod:indexes the kernel modules of the lab'
  'procps:ps:looks for left-over processes'
  'util-linux:nsenter:runs QEMU in the network namespace of a tap wire'
  'xz-utils:xz:unpacks kernels and modules'
  'zstd:zstd:unpacks kernels and modules'
  'ca-certificates:/etc/ssl/certs/ca-certificates.crt:npm talks TLS'
)

have() {
  case "$1" in
    /*) [ -e "$1" ] ;;
    *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 ;;
  esac
}

# Prints the major version of QEMU, or 0.
qemu_major() {
  local text
  if ! text=$(qemu-system-x86_64 --version 2>/dev/null); then
    echo 0
    return
  fi
  sed -n '1s/.*version \([0-9]*\)\..*/\1/p' <<<"$text"
}

# Our own view of apt: the machine's sources plus, where needed, further suites *of the same mirror*, with lists of
# their own, so that nothing under /etc/apt or /var/lib/apt changes.
APT_STATE=$LAB/apt
apt_options() {
  printf '%s\n' -o "Dir::Etc::sourceparts=$APT_STATE/sources.list.d" -o "Dir::State::lists=$APT_STATE/lists" \
    -o "Dir::Cache::pkgcache=$APT_STATE/pkgcache.bin" -o "Dir::Cache::srcpkgcache=$APT_STATE/srcpkgcache.bin" -o APT::Sandbox::User=root \
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Acquire::Languages=none -o Dpkg::Use-Pty=0 -q
}

# The codename of this distribution (bookworm, trixie).
codename() { (. /etc/os-release && echo "${VERSION_CODENAME:-}"); }

# URI of the mirror apt gets the main suite from.
mirror_uri() {
  apt-get indextargets --format '$(CREATED_BY) $(RELEASE) $(CODENAME) $(REPO_URI)' |
    awk -v name="$1" '$1 == "Packages" && ($2 == name || $3 == name) { print $4; exit }'
}

has_suite() { apt-get indextargets --format '$(RELEASE) $(CODENAME)' | grep -qwF -- "$1"; }

apt_ready=0
apt_prepare() {
  [ "$apt_ready" = 0 ] || return 0
  command -v apt-get >/dev/null || die \
    'cannot install what is missing: this is not a Debian system (no apt-get).' \
    'Install the tools named above by hand, and point LAB_KERNEL and LAB_MODULES at a kernel (see npm run lab -- --help).'
  local name uri suite keyring=''
  name=$(codename)
  mkdir -p "$APT_STATE/sources.list.d" "$APT_STATE/lists/partial"
  rm -f "$APT_STATE"/sources.list.d/*
  find /etc/apt/sources.list.d -maxdepth 1 \( -name '*.list' -o -name '*.sources' \) -exec cp {} "$APT_STATE/sources.list.d/" \; 2>/dev/null || true
  uri=$(mirror_uri "$name")
  [ -z "$uri" ] || {
    [ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ] || keyring='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] '
    : >"$APT_STATE/sources.list.d/ndis-vfio.list"
    # bookworm: QEMU 8 or newer and Linux 6.12 come from backports. Later: Linux 6.1 is bookworm's.
    case "$name" in
      bookworm) suite=bookworm-backports ;;
      *) suite=bookworm ;;
    esac
    has_suite "$suite" || echo "deb $keyring$uri $suite main" >>"$APT_STATE/sources.list.d/ndis-vfio.list"
  }
  say 'reading the package lists (apt-get update, lists kept in .lab/apt) ...'
  run_apt update >"$LAB/apt.log" 2>&1 </dev/null || {
    tail -n 15 "$LAB/apt.log" >&2
    die 'apt-get update failed (above). Check the network and the mirrors in /etc/apt, then run scripts/setup.sh again.'
  }
  apt_ready=1
}

run_apt() {
  local options
  mapfile -t options < <(apt_options)
  DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_MODE=a apt-get "${options[@]}" "$@"
}
apt_cache() {
  local options
  mapfile -t options < <(apt_options)
  apt-cache "${options[@]}" "$@"
}

# Installs without asking and without starting a service (policy-rc.d is put in place only while dpkg runs).
install_packages() {
  if [ "$(id -u)" != 0 ]; then
    die "missing packages: $*" 'Installing them needs root. Run: sudo bash scripts/setup.sh' \
      "or: sudo apt-get install --no-install-recommends $*"
  fi
  apt_prepare
  local policy=/usr/sbin/policy-rc.d own=0
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    own=1
  fi
  local status=0
  run_apt install -y --no-install-recommends "$@" </dev/null >"$LAB/apt.log" 2>&1 || status=$?
  [ "$own" = 0 ] || rm -f "$policy"
  if [ "$status" != 0 ]; then
    tail -n 25 "$LAB/apt.log" >&2
    die "apt-get install $* failed (above; all of it in .lab/apt.log)."
  fi
}

want_packages() {
  local entry package proof why
  local -a list=()
  for entry in "${PACKAGES[@]}"; do
    IFS=: read -r package proof why <<<"$entry"
    have "$proof" && continue
    say "missing: $proof, package $package ($why)"
    case " ${list[*]-} " in *" $package "*) ;; *) list+=("$package") ;; esac
  done
  if [ "${#list[@]}" -gt 0 ]; then
    missing=1
    if [ "$CHECK" = 0 ]; then
      say "installing ${list[*]}"
      install_packages "${list[@]}"
    fi
  fi
  local major
  major=$(qemu_major)
  if [ "${major:-0}" -lt 8 ]; then
    missing=1
    if [ "$major" = 0 ]; then say 'missing: qemu-system-x86_64 (emulates the machine, its IOMMU and the NICs)'; else
      say "QEMU $major is too old: the igb model needs 8 or newer"
    fi
    if [ "$CHECK" = 0 ]; then
      say 'installing qemu-system-x86'
      if [ "$(codename)" = bookworm ]; then
        install_packages -t bookworm-backports qemu-system-x86
      else
        install_packages qemu-system-x86
      fi
      major=$(qemu_major)
      [ "$major" -ge 8 ] || die "QEMU $major was installed, but the igb model needs 8 or newer." \
        'Install QEMU 8 or newer as qemu-system-x86_64 in the PATH.'
      say "QEMU $(qemu-system-x86_64 --version | sed -n '1s/.*version \([^ ]*\).*/\1/p') is there"
    fi
  fi
}

# ---------------------------------------------------------------------------------------------- kernels

# Newest signed package of a series ("6.1", "6.12") that the archives hold. Two calls of apt-cache, however many there are.
kernel_package() {
  local series=${1//./\\.} name version best='' best_version=''
  local -a names
  mapfile -t names < <(apt_cache pkgnames "linux-image-$1" | grep -E "^linux-image-$series\.[0-9.]+[-+][0-9a-z+~.]*-?amd64$" | grep -vE 'unsigned|cloud|rt-')
  [ "${#names[@]}" -gt 0 ] || return 0
  while read -r name version; do
    if [ -z "$best" ] || dpkg --compare-versions "$version" gt "$best_version"; then
      best=$name
      best_version=$version
    fi
  done < <(apt_cache policy "${names[@]}" | awk '/^[^ ]/ { sub(/:$/, ""); name = $0 } /^ *Candidate:/ && $2 != "(none)" { print name, $2 }')
  echo "$best"
}

# .lab/kernels/SERIES holds boot/vmlinuz-* and lib/modules/VERSION with its index, complete once `version` exists.
want_kernel() {
  local series=$1 folder=$LAB/kernels/$1 package version deb
  [ -s "$folder/version" ] && return 0
  missing=1
  say "missing: Linux $series for the lab"
  [ "$CHECK" = 0 ] || return 0
  command -v apt-get >/dev/null || {
    say "no apt-get here: set LAB_KERNEL and LAB_MODULES to a kernel image and its modules folder instead"
    return 0
  }
  apt_prepare
  package=$(kernel_package "$series")
  if [ -z "$package" ]; then
    say "no Linux $series in the archives apt knows: --kernel $series will not be available"
    return 0
  fi
  say "downloading $package (unpacked under .lab/, not installed) ..."
  rm -rf "$folder" "$LAB/download"
  mkdir -p "$LAB/download" "$folder.part"
  (cd "$LAB/download" && run_apt download "$package" >"$LAB/apt.log" 2>&1 </dev/null) || {
    tail -n 10 "$LAB/apt.log" >&2
    die "downloading $package failed (above)."
  }
  deb=$(find "$LAB/download" -name '*.deb' | head -n 1)
  say "unpacking $package ($(du -h "$deb" | cut -f1)) ..."
  # What a lab without screen, sound or radio never loads stays packed: it is half the volume.
  dpkg-deb --fsys-tarfile "$deb" | tar -C "$folder.part" -x --exclude='*/kernel/sound' --exclude='*/kernel/drivers/gpu' \
    --exclude='*/kernel/drivers/media' --exclude='*/kernel/drivers/staging' --exclude='*/kernel/drivers/iio' \
    --exclude='*/kernel/drivers/net/wireless' --exclude='*/kernel/drivers/infiniband' --exclude='*/usr/share/*' \
    ./boot ./lib/modules 2>/dev/null ||
    dpkg-deb --fsys-tarfile "$deb" | tar -C "$folder.part" -x
  [ -d "$folder.part/lib/modules" ] || { [ -d "$folder.part/usr/lib/modules" ] && ln -s usr/lib "$folder.part/lib"; }
  version=$(ls "$folder.part/lib/modules")
  PATH="$PATH:/usr/sbin:/sbin" depmod -b "$folder.part" "$version" 2>/dev/null
  echo "$version" >"$folder.part/version"
  mv "$folder.part" "$folder"
  rm -rf "$LAB/download"
  say "Linux $version is there"
}

# ---------------------------------------------------------------------------------------------- npm and builds

want_modules() {
  # npm writes node_modules/.package-lock.json at the end of an installation.
  if [ -e node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ]; then return 0; fi
  missing=1
  say 'node_modules is missing or older than package-lock.json'
  [ "$CHECK" = 0 ] || return 0
  say 'installing the npm modules that package-lock.json names ...'
  # Not npm ci: it refuses a lock that leaves out the optional binaries of platforms this never runs on.
  # --no-save keeps to the locked versions and writes neither package.json nor the lock.
  npm install --no-save --no-audit --no-fund --loglevel=error </dev/null ||
    die 'npm install failed (above). Check the network and the npm registry, then run scripts/setup.sh again.'
  touch node_modules/.package-lock.json
}

check_node() {
  command -v node >/dev/null || die 'Node.js is missing. Install Node 20.17 or newer (nodejs.org, or the nodejs package of Debian 13).'
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 17) ? 0 : 1)' ||
    die "Node $(node -v) is too old: 20.17 or newer is needed."
  command -v npm >/dev/null || die 'npm is missing. Install it (Debian: apt-get install npm) beside Node.'
}

mkdir -p "$LAB"
if [ "$CHECK" = 0 ] && [ -z "${NDIS_VFIO_SETUP_LOCKED:-}" ]; then
  # Two set-ups at once (two test runs) would install over each other.
  exec 9>"$LAB/setup.lock"
  flock -w 900 9 || die 'another scripts/setup.sh has been running for 15 minutes; end it, then run this again.'
fi

[ "$(uname -m)" = x86_64 ] || die "this machine is $(uname -m); the native addon and the lab are for x86_64."
check_node
want_packages
if [ -n "${LAB_KERNEL:-}" ]; then
  say "lab kernel: $LAB_KERNEL (LAB_KERNEL)"
else
  for series in "${KERNELS[@]}"; do want_kernel "$series"; done
fi
want_modules

if [ "$CHECK" = 1 ]; then
  if [ "$missing" = 0 ]; then
    say 'nothing is missing'
  else
    say 'run scripts/setup.sh to install what is missing'
    exit 1
  fi
  exit 0
fi

node scripts/lab/prepare.mjs
node scripts/build-native.mjs
say 'compiling TypeScript ...'
npm run --silent build:ts
say ready
