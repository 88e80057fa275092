#!/bin/sh
# Signs the zones in a directory: sign.sh DIRECTORY ZONE… The last one is the parent of the others, and its key the anchor.
# Zones whose name begins with nsec3 deny by NSEC3. ZONE.zone is as it should be, ZONE.old as it was a year ago.
set -eu
cd "$1"
shift
for zone; do
  key=$(ldns-keygen -a ECDSAP256SHA256 "$zone")
  anchor=$(ldns-keygen -k -a ECDSAP256SHA256 "$zone")
  how=
  case $zone in nsec3*) how=-n ;; test) cat ./*.child >>"$zone.plain" ;; esac
  ldns-signzone $how -o "$zone" -f "$zone.zone" "$zone.plain" "$key" "$anchor"
  ldns-signzone $how -o "$zone" -i 20250101 -e 20250201 -f "$zone.old" "$zone.plain" "$key" "$anchor"
  ldns-key2ds -n -2 "$anchor.key" >"$zone.child"
done
cp "$anchor.key" anchor.key
