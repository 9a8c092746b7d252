"""Look the installed packages up in PyPI's database of known vulnerabilities, where it can be reached.

Exit code 1 for a vulnerability that is not accepted below; a database out of reach is a visible note.
"""

import json
import subprocess
import sys

ACCEPTED: dict[str, str] = {}
"""Advisory's id to why it does not concern us; look again whenever a line is added."""
TIMEOUT_S = 120


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            [*command, "--timeout", "10"], capture_output=True, text=True, timeout=TIMEOUT_S
        )
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError) as error:
        return note(f"it did not answer ({type(error).__name__})")
    audited = [each for each in packages if "vulns" in each]
    if not audited:
        return note(f"it knows none of the {len(packages)} packages, so it is not PyPI's")
    found = [
        (each["name"], each["version"], vulnerability)
        for each in audited
        for vulnerability in each["vulns"]
        if vulnerability["id"] not in ACCEPTED
    ]
    for name, version, vulnerability in found:
        fixed = ", ".join(vulnerability["fix_versions"]) or "no version"
        print(f"{name} {version}: {vulnerability['id']}, fixed in {fixed}", file=sys.stderr)
    print(f"audit: {len(audited)} of {len(packages)} packages looked up, {len(found)} vulnerable")
    return 1 if found else 0


def note(why: str) -> int:
    print(
        f"NOTE: the packages were NOT audited for known vulnerabilities: no database, {why}",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
