"""설치한 꾸러미를 알려진 취약점의 목록(PyPI)과 견준다. 판을 고정한 pip-audit를 제 venv에서 돌린다.

취약점이 있으면 exit code 1. 목록에 닿지 못하면 그렇다고 말하고 0: CI가 남의 서버에 매이지 않게 한다.
알고도 두는 것은 IGNORED에 까닭과 함께 적는다.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

PIP_AUDIT = "pip-audit==2.10.1"
IGNORED: dict[str, str] = {}


def main() -> int:
    """pip-audit의 답을 줄여 보인다."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        installed = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", PIP_AUDIT],
            capture_output=True,
            text=True,
            check=False,
        )
        if installed.returncode != 0:
            print(f"{PIP_AUDIT}를 설치하지 못해 견주지 못했습니다: {installed.stderr[-200:]}")
            return 0
        site = sysconfig.get_path("purelib")
        done = subprocess.run(
            [python, "-m", "pip_audit", "--path", site, "--format", "json"],
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"취약점의 목록에 닿지 못해 견주지 못했습니다: {done.stderr[-200:]}")
        return 0
    return report(packages)


def report(packages: list[dict[str, object]]) -> int:
    """견준 수와, 까닭 없이 두지 않을 취약점들."""
    audited = [package for package in packages if "vulns" in package]
    print(f"꾸러미 {len(packages)}개 가운데 {len(audited)}개를 견주었습니다")
    if not audited:
        print("PyPI의 취약점 목록에 닿지 못했습니다(거울 서버에는 없습니다)")
        return 0
    found = [
        f"{package['name']} {package['version']}: {vulnerability['id']}"
        for package in audited
        for vulnerability in package["vulns"]  # type: ignore[attr-defined]
        if vulnerability["id"] not in IGNORED
    ]
    print("\n".join(found) or "알려진 취약점이 없습니다")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
