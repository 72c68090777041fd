"""Look up every locked package among PyPI's known vulnerabilities.

It fails where there is one that `audit-ignored.txt` does not list with a reason, and where nothing is known
because PyPI's advisories are out of reach. With `--if-reachable` it says so then, and does not fail.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

IGNORED = Path(__file__).with_name("audit-ignored.txt")
_OUT_OF_REACH = re.compile(r"ConnectionError|ServiceError|Timeout|Could not connect|network may be blocking")

Package = Mapping[str, Any]
"""What pip-audit tells of a package: its `name`, and `version` and `vulns`, or a `skip_reason`."""


def main() -> bool:
    """Audit the lock, say what was found, and return whether that is all right."""
    ignored = dict(_ignored())
    packages = _asked()
    known = [package for package in packages if "skip_reason" not in package]
    if not known:
        print("AUDIT NOT DONE: PyPI's advisories are out of reach. Run `make audit` where they are not.")
        return "--if-reachable" in sys.argv
    found = [(package, one) for package in known for one in package["vulns"]]
    unexpected = [(package, one) for package, one in found if not ignored.keys() & _names(one)]
    for package, one in unexpected:
        mended = ", ".join(one["fix_versions"]) or "no version"
        print(f"{package['name']} {package['version']}: {one['id']}, mended in {mended}")
        print(f"    {one['description'][:300]}")
    for name in ignored.keys() - {name for _, one in found for name in _names(one)}:
        print(f"{IGNORED.name}: {name} is found no longer")
    for package in packages:
        if "skip_reason" in package:
            print(f"{package['name']} could not be looked up: {package['skip_reason']}")
    print(f"AUDIT of {len(known)} packages: {len(found)} known vulnerabilities, {len(unexpected)} unexpected")
    return not unexpected


def _ignored() -> Iterator[tuple[str, str]]:
    """Yield the vulnerabilities that do no harm here, and why not."""
    for line in IGNORED.read_text(encoding="utf-8").splitlines():
        name, _, reason = line.strip().partition(" ")
        if name and not name.startswith("#"):
            if not reason.strip():
                raise SystemExit(f"{IGNORED.name}: {name} has no reason")
            yield name, reason.strip()


def _asked() -> list[Package]:
    """Return what pip-audit has found out; nothing where it reached nobody."""
    with tempfile.TemporaryDirectory() as folder:
        locked, report = Path(folder, "locked.txt"), Path(folder, "report.json")
        everything = ("--locked", "--all-extras", "--all-groups", "--no-emit-workspace", "--no-hashes")
        export = [os.environ.get("UV", "uv"), "export", *everything, "--quiet", "--output-file", locked]
        subprocess.run(export, stdout=subprocess.DEVNULL, check=True)  # noqa: S603
        as_locked = ("--requirement", locked, "--no-deps", "--disable-pip", "--progress-spinner", "off")
        audit = [sys.executable, "-m", "pip_audit", *as_locked, "--format", "json", "--output", report]
        run = subprocess.run(audit, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603
        if report.is_file():
            return list(json.loads(report.read_text(encoding="utf-8"))["dependencies"])
    print(run.stderr, file=sys.stderr)
    if _OUT_OF_REACH.search(run.stderr):
        return []
    raise SystemExit(f"pip-audit failed with status {run.returncode}")


def _names(vulnerability: Mapping[str, Any]) -> set[str]:
    """Return its identifiers: PyPI's, GitHub's, and the one of the CVE list."""
    return {vulnerability["id"], *vulnerability["aliases"]}


if __name__ == "__main__":
    sys.exit(not main())
