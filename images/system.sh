#!/bin/sh
# Last stage of every image: adds Debian packages and removes what nobody needs at run time: pip, setuid bits, logs and caches.
# Usage: system.sh [PACKAGE...]
set -eu
if [ $# -gt 0 ]; then
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
fi
find / -xdev \( -path '*/site-packages/pip*' -o -path '*/bin/pip*' -o -name ensurepip -o -name 'pip-*.whl' -o -path /etc/pip.conf \) \
  -prune -exec rm -rf {} +
find / -xdev -type f -perm /6000 -exec chmod a-s {} +
# The base image has no compiled standard library; without it, every start compiles it again.
stdlib=$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
PYTHONHASHSEED=0 python -m compileall -q -f --invalidation-mode unchecked-hash \
  -x '/(test|idlelib|tkinter|turtledemo|pydoc_data|site-packages|dist-packages)/' "$stdlib"
# What differs from build to build.
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig /var/cache/debconf/*-old /var/log/* ~/.cache
