#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# compile.sh FOLDER nvcc ... -o OBJECT: runs nvcc and keeps what it says in FOLDER/SOURCE.log
folder=$1
shift
object=
last=
for word in "$@"; do
  [ "$last" = -o ] && object=$word
  last=$word
done
mkdir -p "$folder"
log=$folder/$(basename "$object" .o).log
"$@" 2> "$log.new"
status=$?
grep -v -e '^ptxas info' -e 'bytes stack frame' -e '^$' "$log.new" >&2
mv "$log.new" "$log"
exit $status
