#!/bin/sh
# Two network namespaces on a bridge, as two containers would be: the mock robot in one, a command in the
# other, DDS between them over the bridge alone. Nothing of this machine's own network is touched, and
# nothing is left. Needs Linux, iproute2, and root or the right to make user namespaces.
#
#   deploy/rehearse_bridge.sh PYTHON                 an agent, which is told to sit; prints its outcome
#   deploy/rehearse_bridge.sh PYTHON COMMAND ...     something else in the agent's place
#
# The agent drives what is not loopback as a real dog, so PYTHON's environment needs cyclonedds 0.10
# (make test-dds-0.10 makes one). Exit code 77: this machine may not make namespaces.
set -eu

python=${1:?name a python, as .venv-dds-0.10/bin/python}
if [ -z "${SHADOWDOG_BRIDGE:-}" ]; then
    set -- "$@"
    enter="unshare --map-root-user --net --mount --pid --fork --kill-child --mount-proc"
    $enter true 2>/dev/null && command -v ip >/dev/null || { echo "no namespaces here" >&2; exit 77; }
    SHADOWDOG_BRIDGE=1 exec $enter "$0" "$@"
fi
shift

mount -t tmpfs none /run
ip link add bridge type bridge
ip link set bridge up
number=1
for name in robot agent; do
    number=$((number + 1))
    ip netns add "$name"
    ip link add "to-$name" type veth peer name eth0 netns "$name"
    ip link set "to-$name" master bridge up
    ip -n "$name" address add "10.77.0.$number/24" dev eth0
    ip -n "$name" link set eth0 up
    ip -n "$name" link set lo up
done

await() { # a namespace, an address that answers once its server is ready
    ip netns exec "$1" "$python" -c '
import sys, time, urllib.request
for _ in range(600):
    try:
        urllib.request.urlopen(sys.argv[1], timeout=2)
        break
    except OSError:
        time.sleep(0.2)
else:
    sys.exit(f"{sys.argv[1]} never answered")' "$2"
}

ip netns exec robot "$python" -m edge_agent mock-robot --domain 0 --interface eth0 >&2 &
await robot http://127.0.0.1:8070/healthz
if [ $# -gt 0 ]; then
    ip netns exec agent "$@"
else
    export EDGE_ROBOT_INTERFACE=eth0 EDGE_ROBOT_DOMAIN=0 EDGE_VOICE=text EDGE_JOURNAL=/run/journal.jsonl
    export EDGE_BUNDLE_MISMATCH=ignore
    ip netns exec agent "$python" -m edge_agent run >&2 &
    await agent http://127.0.0.1:8080/healthz
    ip netns exec agent "$python" -m edge_agent say --json "sit down please"
fi
