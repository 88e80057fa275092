#!/bin/sh
# Puts what comes on standard input into Maildirs as a whole: deliver MAILBOX… Its directory is the server's.
set -eu
mail=${0%/*}/mail
# The number of a process is used again some day.
number=0
while [ -e "$mail/$1/new/$$.$number" ]; do number=$((number + 1)); done
whole=$mail/$$.whole
cat >"$whole"
for mailbox; do
  [ -d "$mail/$mailbox/new" ] || mkdir -p "$mail/$mailbox/new"
  ln "$whole" "$mail/$mailbox/new/$$.$number"
done
rm "$whole"
