#!/bin/sh
# Build stage of every image: makes /venv. Two steps, so that a change of the sources does not install the packages again.
#   venv.sh packages IMAGE           the locked packages of requirements/IMAGE.lock
#   venv.sh program IMAGE COMMAND    Serin itself with this command alone; then removes what images/prune/ lists, and compiles
set -eu
python=/venv/bin/python
pip() { /usr/bin/env python -m pip --no-cache-dir --disable-pip-version-check "$@"; }

case $1 in
  packages)
    apt-get update -q
    apt-get install -q -y --no-install-recommends binutils
    # The pip of the base image installs into /venv, which has none itself.
    python -m venv --without-pip /venv
    pip --python $python install --no-compile --require-hashes -r "requirements/$2.lock"
    pip install --no-compile --require-hashes -r requirements/build.lock
    ;;
  program)
    pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .
    pip --python $python install --no-compile --no-deps /wheels/*.whl
    for command in serin kubectl-serin kubectl_complete-serin serin-operator serin-server serin-dashboard; do
      if [ "$command" != "$3" ]; then rm /venv/bin/$command; fi
    done
    site=$($python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    python images/prune.py "$site" images/prune/all.txt "images/prune/$2.txt"
    # Debug information of a few extension modules takes more space than their code.
    find "$site" -name '*.cpython-*.so' | while read -r module; do
      if readelf --section-headers --wide "$module" | grep -q '\.debug_info'; then strip --strip-debug "$module"; fi
    done
    # Compiled by content, not by time and always in the same order: a second build gives the same bytes.
    # -f: running pip has already compiled a few modules, by time.
    PYTHONHASHSEED=0 $python -m compileall -q -f --invalidation-mode unchecked-hash "$site"
    ;;
esac
