#!/bin/sh
# Put cyclonedds 0.10.2, which a real Go2 speaks, into a virtual environment by Debian 12's own build of
# Cyclone DDS: for Python 3.11 and 3.12, and for aarch64, for which there is no wheel.
#
#   sudo apt-get install -y cyclonedds-dev cyclonedds-tools gcc python3-dev
#   requirements/install_cyclonedds_0_10.sh .venv
#
# Elsewhere CYCLONEDDS_HOME names where Cyclone DDS 0.10 is installed (docs/jetson.md).
#
# Keep the prefix that it makes inside the environment, and Debian's libddsc0debian: both are needed
# when the driver runs, the other packages are not. Safe to repeat. It replaces the newer cyclonedds of the simulation.
set -eu

venv=${1:?name the virtual environment, as .venv}
python=$venv/bin/python
[ -x "$python" ] || { echo "$venv is no virtual environment" >&2; exit 1; }

link_debians_build() {
    if ! dpkg -s cyclonedds-dev cyclonedds-tools gcc libddsc0debian >/dev/null 2>&1; then
        echo "first: sudo apt-get install -y cyclonedds-dev cyclonedds-tools gcc python3-dev" >&2
        exit 1
    fi
    packaged=$(dpkg-query -W -f '${Version}' cyclonedds-dev)
    case $packaged in
        0.10.*) ;;
        *) echo "this system packages Cyclone DDS $packaged, a real Go2 speaks 0.10" >&2; exit 1 ;;
    esac

    libraries=/usr/lib/$(gcc -dumpmachine)
    prefix=$(cd "$venv" && pwd)/cyclonedds-0.10
    mkdir -p "$prefix/lib" "$prefix/include" "$prefix/bin"
    ln -sf "$libraries"/libddsc.so* "$libraries"/libcycloneddsidl.so* "$prefix/lib/"
    # By its run-time name, so that the -dev package may be gone when the driver runs.
    ln -sf "$libraries/libddsc.so.0debian" "$prefix/lib/libddsc.so"
    ln -sfn "$libraries/cmake" "$prefix/lib/cmake"
    for each in dds ddsc idl idlc; do
        ln -sfn "/usr/include/$each" "$prefix/include/$each"
    done
    ln -sf /usr/bin/idlc "$prefix/bin/idlc"
}

if [ -n "${CYCLONEDDS_HOME:-}" ]; then
    prefix=$CYCLONEDDS_HOME
    [ -e "$prefix/lib/libddsc.so" ] || { echo "no Cyclone DDS in CYCLONEDDS_HOME=$prefix" >&2; exit 1; }
else
    link_debians_build
fi

CYCLONEDDS_HOME=$prefix "$python" -m pip install --disable-pip-version-check --quiet \
    --no-binary cyclonedds --no-deps --require-hashes --requirement "$(dirname "$0")/locks/cyclonedds-0.10.txt"
"$python" -c 'from importlib.metadata import version; import cyclonedds.domain; print("cyclonedds", version("cyclonedds"))'
