#!/bin/sh
# Puts what comes on standard input into a Maildir as a whole: deliver MAILBOX. Its directory is the server's.
set -eu
mail=${0%/*}/mail/$1
[ -d "$mail/new" ] || mkdir -p "$mail/tmp" "$mail/new"
# The number of a process is used again some day.
number=0
while [ -e "$mail/new/$$.$number" ]; do number=$((number + 1)); done
cat >"$mail/tmp/$$.$number"
mv "$mail/tmp/$$.$number" "$mail/new/"
