#!/bin/sh
# Runs a server as if its package were installed, in a mount and a process namespace of its own:
#   unshare --mount --pid --fork --kill-child namespace.sh ROOT RIG COMMAND…
# ROOT is the unpacked package; RIG holds the test's own etc/ and var/. Nothing of it is seen outside, and when the
# process that called unshare dies, everything in here dies with it.
set -eu
root=$1 rig=$2
shift 2
mkdir -p "$root/usr" "$root/etc" "$root/var"
mount -t overlay overlay -o "ro,lowerdir=$root/usr:/usr" /usr
mount -t overlay overlay -o "ro,lowerdir=$rig/etc:$root/etc:/etc" /etc
mount -t overlay overlay -o "ro,lowerdir=$rig/var:$root/var:/var" /var
# These are written to.
for each in $WRITABLE; do mount --bind "$rig/$each" "/$each"; done
mount -t tmpfs tmpfs /run
# No `exec`: the kernel forgets to kill a process with its parent once that process changes its user.
"$@"
