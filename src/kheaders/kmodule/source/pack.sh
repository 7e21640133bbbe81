#!/bin/sh
# Run by dkms in the directory that it builds in: pack.sh RELEASE HEADERS. Packs the headers of the kernel it builds for.
set -eu
exec "@KHEADERS@" pack "$2" -o kheaders.tar.xz
