"""`시작`이 `.venv`를 갖추는 일: 처음, 깨진 것의 복구, 도중에 멈춤, 갖추지 못할 때의 안내."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from launcher_clone import BASE_PYTHON, REPO, Clone, make_clone

OLD_PYTHONS = sorted(Path("~/.pyenv/versions").expanduser().glob("3.[6-9].*/bin/python3"))


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """설치 전의 사본. 설치는 가짜 uv가 한다."""
    fresh = make_clone(tmp_path)
    fresh.install_fake_uv()
    return fresh


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "기다리던 일이 일어나지 않았습니다"
        time.sleep(0.02)


# ── 설치 ────────────────────────────────────────────────────────────────────────────


def test_first_start_installs_and_opens_the_application(clone: Clone) -> None:
    """첫 시작은 .venv를 만들고 embedded까지 설치한 뒤 tui를 연다. 진행은 한국어로 stderr에만."""
    first = clone.start()
    assert first.returncode == 0, first.stderr
    assert '"module": "tui"' in first.stdout
    assert first.stdout.count("\n") == 1
    assert "필요한 꾸러미를 uv로 설치합니다" in first.stderr
    assert "꾸러미 3개를 골랐습니다" in first.stderr
    assert "준비를 마쳤습니다" in first.stderr
    assert [call.rpartition("/")[2] for call in clone.installs()] == ["마법사[embedded]"]


def test_second_start_is_silent_and_installs_nothing(clone: Clone) -> None:
    clone.start()
    before = clone.calls()
    again = clone.start()
    assert again.stderr == ""
    assert clone.calls() == before


def test_only_a_changed_pyproject_installs_again(clone: Clone) -> None:
    """pyproject.toml의 시각이 아니라 내용이 바뀌어야 다시 설치하고, .venv는 그대로 쓴다."""
    clone.start()
    os.utime(clone.root / "pyproject.toml")
    clone.start()
    assert len(clone.installs()) == 1
    clone.write_pyproject(dependencies='["pyyaml"]')
    clone.start()
    clone.start()
    assert len(clone.installs()) == 2
    assert len(clone.calls()) == 3


def test_copied_project_is_set_up_for_itself(clone: Clone) -> None:
    """폴더째 복사하면 .venv가 옛 자리를 가리키므로 새 자리에서 다시 설치한다."""
    clone.start()
    copy = clone.root.parent / "옮긴 곳"
    shutil.copytree(clone.root, copy, symlinks=True)
    clone.root = copy
    assert clone.echo()["prefix"] == str(copy / ".venv")
    assert clone.installs()[-1].endswith("옮긴 곳[embedded]")


def _dangling_python(venv: Path) -> None:
    (venv / "bin/python").unlink()
    (venv / "bin/python").symlink_to("/없는/python3")


def _empty(venv: Path) -> None:
    shutil.rmtree(venv)
    venv.mkdir()


def _file(venv: Path) -> None:
    shutil.rmtree(venv)
    venv.write_text("venv가 아니다")


def _link_to_nowhere(venv: Path) -> None:
    shutil.rmtree(venv)
    venv.symlink_to("/없는/venv")


def _package_gone(venv: Path) -> None:
    next(venv.glob("lib/*/site-packages/light-*.dist-info")).rmdir()


BREAKAGES: dict[str, Callable[[Path], None]] = {
    "python이 가리키는 것이 사라짐": _dangling_python,
    "빈 폴더": _empty,
    "폴더가 아닌 파일": _file,
    "끊어진 symlink": _link_to_nowhere,
    "꾸러미 하나가 지워짐": _package_gone,
    "pyvenv.cfg가 사라짐": lambda venv: (venv / "pyvenv.cfg").unlink(),
    "만들다 만 표시가 남음": lambda venv: (venv / "launcher-unfinished").touch(),
    "반만 쓰인 설치 표": lambda venv: (venv / "launcher-app").write_text("/어딘가\n"),
    "python이 실행되지 않음": lambda venv: (venv / "bin/python").unlink(),
}


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES.keys())
def test_broken_venv_is_noticed_and_mended(clone: Clone, breakage: Callable[[Path], None]) -> None:
    clone.start()
    breakage(clone.root / ".venv")
    assert clone.echo()["module"] == "tui"
    assert len(clone.installs()) == 2
    assert clone.start().stderr == ""


def test_platform_without_embedded_postgresql_installs_the_rest(clone: Clone) -> None:
    """내장 PostgreSQL만 없는 컴퓨터에서는 그것을 빼고 설치하고, 그렇다고 말하고, 되풀이하지 않는다."""
    clone.set_mode("no-embedded")
    first = clone.start()
    assert first.returncode == 0, first.stderr
    assert "내장 PostgreSQL이 없어 그것만 빼고" in first.stderr
    assert [call.rpartition("마법사")[2] for call in clone.installs()] == ["[embedded]", ""]
    assert clone.start().stderr == ""


def test_test_command_installs_dev_on_demand(clone: Clone) -> None:
    """테스트만 dev를 설치한다. 앞서 설치한 것이 있어도 한 번 더, 그 뒤로는 그대로."""
    clone.start()
    report = clone.echo("테스트", "-k", "이름")
    assert report["module"] == "pytest"
    assert report["argv"][0] == "-n"
    assert report["argv"][-2:] == ["-k", "이름"]
    assert report["cwd"] == str(clone.root)
    assert [call.rpartition("마법사")[2] for call in clone.installs()] == [
        "[embedded]",
        "[embedded,web,dev]",
    ]
    assert clone.start("test").stderr == ""
    assert clone.start().stderr == ""


def test_bench_command_installs_its_extras_on_demand(clone: Clone) -> None:
    """벤치만 bench를 설치한다. dev를 품으므로 그 뒤의 테스트는 더 설치하지 않는다."""
    clone.start()
    report = clone.echo("벤치", "kernel", "--json")
    assert (report["module"], report["argv"]) == ("tests.bench", ["kernel", "--json"])
    assert report["cwd"] == str(clone.home)
    assert [call.rpartition("마법사")[2] for call in clone.installs()] == [
        "[embedded]",
        "[embedded,web,dev,bench]",
    ]
    for name in ("bench", "test"):
        assert clone.start(name).stderr == ""


def test_test_command_keeps_own_jobs_and_resolves_paths(clone: Clone) -> None:
    """-n을 주면 그대로 쓰고, 있는 경로는 사용자가 선 폴더에서 푼다."""
    (clone.home / "test_나의.py").touch()
    report = clone.echo("테스트", "-n0", "test_나의.py::test_x", "tests/없는.py")
    assert report["argv"] == ["-n0", f"{clone.home}/test_나의.py::test_x", "tests/없는.py"]


# ── 여럿이 함께, 도중에 멈춤 ────────────────────────────────────────────────────────


def launch(clone: Clone) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(clone.launcher)],
        env=clone.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )


def test_two_starters_at_once_install_once(clone: Clone) -> None:
    clone.set_mode("slow 2")
    both = [launch(clone), launch(clone)]
    outputs = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert len(clone.installs()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_setup_leaves_nothing_broken(clone: Clone, number: signal.Signals) -> None:
    """Ctrl-C(무리 전체)와 SIGTERM·SIGHUP(런처만): 설치 도구도 끝나고, 다음 시작이 새로 만든다."""
    clone.set_mode("slow 60")
    process = launch(clone)
    installing = clone.bin / "installing"
    wait_for(lambda: installing.exists() and installing.read_text() != "")
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "설치를 멈췄습니다" in err
    assert "Traceback (most recent call last)" not in err.partition("설치를 멈췄습니다")[2]
    assert not Path(f"/proc/{installing.read_text()}").exists()
    clone.set_mode("ok")
    again = clone.start()
    assert again.returncode == 0, again.stderr
    assert "쓸 수 없는 .venv를 지우고" in again.stderr


def test_interrupted_update_is_made_anew(clone: Clone) -> None:
    """쓰던 .venv를 고쳐 설치하다 죽으면 반쯤 바뀐 것을 쓰지 않고 새로 만든다."""
    clone.start()
    clone.write_pyproject(dependencies='["pyyaml"]')
    clone.set_mode("slow 60")
    process = launch(clone)
    wait_for((clone.bin / "installing").exists)
    process.terminate()
    process.communicate(timeout=30)
    clone.set_mode("ok")
    assert "쓸 수 없는 .venv를 지우고" in clone.start().stderr
    assert clone.start().stderr == ""


def test_starter_waits_for_an_orphaned_installer(clone: Clone) -> None:
    """런처만 kill -9로 죽어도 남은 설치와 겹치지 않고, 끝난 뒤 새로 만든다."""
    clone.set_mode("slow 2")
    process = launch(clone)
    wait_for((clone.bin / "installing").exists)
    process.kill()
    clone.set_mode("ok")
    again = clone.start()
    process.communicate(timeout=30)
    assert again.returncode == 0, again.stderr
    assert "끝나기를 기다립니다" in again.stderr
    assert clone.start().stderr == ""


# ── 갖추지 못할 때의 안내 ───────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mode", "sentence", "fix"),
    [
        ("offline", "인터넷에 닿지 못해", "export HTTPS_PROXY="),
        ("full", "디스크에 빈 자리가 없어", "df -h ."),
        ("strange", "알 수 없는 일", "launcher.log"),
    ],
)
def test_failed_install_says_why_and_recovers(
    clone: Clone, mode: str, sentence: str, fix: str
) -> None:
    clone.set_mode(mode)
    failed = clone.start()
    assert failed.returncode == 1
    assert sentence in failed.stderr
    assert fix in failed.stderr
    assert "Traceback" not in failed.stderr
    clone.set_mode("ok")
    assert clone.echo()["module"] == "tui"


def test_failed_update_keeps_the_working_venv(clone: Clone) -> None:
    """새 pyproject를 받았지만 네트워크가 없으면: 알리되 .venv를 지우지 않는다."""
    clone.start()
    clone.write_pyproject(dependencies='["pyyaml"]')
    clone.set_mode("offline")
    assert clone.start().returncode == 1
    clone.set_mode("ok")
    again = clone.start()
    assert again.returncode == 0
    assert "다시 만듭니다" not in again.stderr


def test_unwritable_folder_says_so(clone: Clone) -> None:
    (clone.root / ".venv").symlink_to("/proc/없음")
    (clone.root / "launcher/setup.py").write_text(
        (clone.root / "launcher/setup.py")
        .read_text()
        .replace("os.mkdir(stamp.VENV)", "os.mkdir('/proc/x')")
    )
    failed = clone.start()
    assert failed.returncode == 1
    assert "쓰지 못했습니다: /proc/x" in failed.stderr
    assert "해결: 폴더의 권한" in failed.stderr


def require_python(clone: Clone, version: str) -> None:
    """사본의 런처가 그 Python을 요구하게 한다: 이 컴퓨터의 Python을 모두 낡은 것으로 만든다."""
    path = clone.root / "launcher/tools.py"
    text = path.read_text()
    assert "OLDEST_PYTHON = (3, 11)" in text
    path.write_text(text.replace("OLDEST_PYTHON = (3, 11)", f"OLDEST_PYTHON = {version}"))


def test_too_old_python_says_what_to_install(clone: Clone) -> None:
    (clone.bin / "uv").unlink()
    require_python(clone, "(3, 99)")
    failed = clone.start()
    assert failed.returncode == 1
    assert "Python 3.11 이상이 필요합니다" in failed.stderr
    assert "sudo apt install python3.11 python3.11-venv" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_missing_venv_module_says_what_to_install(clone: Clone) -> None:
    """Debian처럼 venv가 따로인 Python: 그 판의 꾸러미 이름을 알린다."""
    (clone.bin / "uv").unlink()
    require_python(clone, "(3, 99)")
    debian = clone.bin / "python3.13"
    debian.write_text("#!/bin/sh\necho True False 3.13\n")
    debian.chmod(0o755)
    failed = clone.start()
    assert failed.returncode == 1
    assert "venv 모듈이 없어" in failed.stderr
    assert "sudo apt install python3.13-venv" in failed.stderr


def test_sources_parse_on_python_36() -> None:
    """낡은 Python이 안내를 하려면 먼저 읽을 수 있어야 한다."""
    for path in (REPO / "시작", *(REPO / "launcher").glob("*.py")):
        ast.parse(path.read_text(), str(path), feature_version=(3, 6))


@pytest.mark.parametrize("old", OLD_PYTHONS, ids=lambda path: path.parts[-3])
def test_old_python_finds_a_newer_one_or_says_so(clone: Clone, old: Path) -> None:
    """진짜 낡은 Python으로: 새것이 PATH에 있으면 그것으로 설치하고, 없으면 안내한다."""
    (clone.bin / "uv").unlink()
    (clone.bin / "python3").unlink()
    (clone.bin / "python3").symlink_to(old)
    failed = clone.start(LC_ALL="C")
    assert failed.returncode == 1
    assert "Python 3.11 이상이 필요합니다" in failed.stderr
    clone.install_fake_uv()
    (clone.bin / "python3.12").symlink_to(BASE_PYTHON)
    assert clone.echo("데이터", "가 나", LC_ALL="C")["argv"] == ["가 나"]
