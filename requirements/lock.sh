#!/bin/sh
# Resolve what the images and a real machine install, with hashes, for Python 3.10 to 3.12 on Linux:
#   requirements/lock.sh PATH/TO/uv          (or: make lock)
#
# torch is in no lock: the CPU build of PyTorch's own index and the CUDA build of PyPI carry the same
# version and other hashes, and a lock would tie everybody to one of them. requirements/install_torch.py
# installs the exact version first; the lock for the cloud holds all else.
set -eu

uv=${1:?name uv}
cd "$(dirname "$0")/.."

resolve() {
    name=$1
    shift
    "$uv" pip compile pyproject.toml --quiet --universal --python-version 3.10 --generate-hashes \
        --no-annotate --custom-compile-command "make lock" --output-file "requirements/locks/$name.txt" "$@"
    echo "requirements/locks/$name.txt: $(grep -c '==' "requirements/locks/$name.txt") packages"
}

resolve edge --extra edge --extra speech --extra speech-model --extra simulation --extra telemetry
resolve robot --extra edge --extra speech --extra speech-model --extra telemetry

# What torch alone brings (CUDA, triton) comes with torch, so the cloud's lock leaves it out.
cuda=$("$uv" pip compile pyproject.toml --quiet --universal --python-version 3.10 --no-annotate \
    --no-header --extra cloud --extra telemetry | sed -nE 's/^((nvidia|cuda)-[a-z0-9-]+|triton)[=\[].*/\1/p' | sort -u)
resolve cloud --extra cloud --extra telemetry --no-emit-package torch \
    $(for each in $cuda; do printf -- '--no-emit-package %s ' "$each"; done)

# What a real Go2 speaks: built by install_cyclonedds_0_10.sh, and what its tools need.
echo "cyclonedds==0.10.2" | "$uv" pip compile - --quiet --universal --python-version 3.10 --generate-hashes \
    --no-annotate --custom-compile-command "make lock" --output-file requirements/locks/cyclonedds-0.10.txt
