"""`시작`이 명령을 알아듣고 넘겨주는 일: 이름, 인자, 환경, locale, 걸리는 시간."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import unicodedata
from pathlib import Path

import pytest
from launcher_clone import REPO, Clone, make_clone

MODULES = {
    "실행": "optimize.run",
    "run": "optimize.run",
    "스터디": "optimize.studies",
    "studies": "optimize.studies",
    "저장소": "optimize.storage",
    "storage": "optimize.storage",
    "데이터": "optimize.data",
    "data": "optimize.data",
    "검증": "optimize.verify",
    "verify": "optimize.verify",
}


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """설치 전의 사본. 설치는 가짜 uv가 한다."""
    fresh = make_clone(tmp_path)
    fresh.install_fake_uv()
    return fresh


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """설치를 마친 사본. 이것을 쓰는 시험은 바꾸지 않는다."""
    made = make_clone(tmp_path_factory.mktemp("ready"))
    made.install_fake_uv()
    assert made.start().returncode == 0
    return made


@pytest.mark.parametrize(("name", "module"), MODULES.items())
def test_commands_reach_their_modules_verbatim(ready: Clone, name: str, module: str) -> None:
    arguments = ["--set", "search.n_jobs=2", "한글 값", "", "--", "-x*"]
    report = ready.echo(name, *arguments)
    assert report["module"] == module
    assert report["argv"] == arguments
    assert report["cwd"] == str(ready.home)


@pytest.mark.parametrize("name", ["실행", "스터디", "저장소", "데이터"])
def test_decomposed_hangul_command_is_understood(ready: Clone, name: str) -> None:
    """macOS의 자동 완성처럼 자모로 풀린(NFD) 이름도 받는다."""
    assert ready.echo(unicodedata.normalize("NFD", name))["module"] == MODULES[name]


@pytest.mark.parametrize("variable", ["LC_ALL", "LANG"])
@pytest.mark.parametrize(
    "locale", ["", "C", "POSIX", "C.UTF-8", "ko_KR.EUC-KR", "en_US.ISO-8859-1", "zz_ZZ.UTF-8"]
)
def test_any_locale(ready: Clone, locale: str, variable: str) -> None:
    """없는 locale까지: 한글 경로의 .venv가 뜨고 한글 인자가 그대로 간다."""
    report = ready.echo("실행", "한글", **{variable: locale})
    assert report["argv"] == ["한글"]
    wrong = ready.start("실헹", **{variable: locale})
    assert "./시작 실행" in wrong.stderr


def test_first_setup_works_in_the_c_locale(clone: Clone) -> None:
    done = clone.start(LC_ALL="C")
    assert done.returncode == 0, done.stderr
    assert "준비를 마쳤습니다" in done.stderr


def test_any_working_directory_and_symlink(ready: Clone, tmp_path: Path) -> None:
    link = tmp_path / "마법사"
    link.symlink_to(ready.launcher)
    assert ready.echo("실행", via=link, cwd=tmp_path)["cwd"] == str(tmp_path)
    inside = ready.echo("실행", via=Path("../시작"), cwd=ready.root / "optimize")
    assert inside["cwd"] == str(ready.root / "optimize")


def test_exit_code_is_the_commands_own(ready: Clone) -> None:
    assert ready.start("저장소", "check", ECHO_EXIT="3").returncode == 3


def test_kitty_key_is_disabled_unless_the_user_set_it(ready: Clone) -> None:
    assert ready.echo()["env"]["TEXTUAL_DISABLE_KITTY_KEY"] == "1"
    chosen = ready.echo(TEXTUAL_DISABLE_KITTY_KEY="0")
    assert chosen["env"]["TEXTUAL_DISABLE_KITTY_KEY"] == "0"


def test_surroundings_do_not_leak_in(ready: Clone, tmp_path: Path) -> None:
    """선 폴더의 random.py나 tui/, 망가진 PYTHONHOME에 흔들리지 않는다."""
    (tmp_path / "random.py").write_text("raise SystemExit('가려졌다')")
    (tmp_path / "tui").mkdir()
    (tmp_path / "tui/__main__.py").write_text("raise SystemExit('가려졌다')")
    report = ready.echo(cwd=tmp_path, PYTHONHOME="/없는/곳", PYTHONPATH=str(tmp_path / "없음"))
    assert report["module"] == "tui"
    assert not report["random"].startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("typed", "likely"),
    [
        ("스터듸", "스터디"),
        ("실헹", "실행"),
        ("저장", "저장소"),
        ("storge", "storage"),
        ("RUN", "run"),
    ],
)
def test_unknown_command_suggests_the_likely_one(clone: Clone, typed: str, likely: str) -> None:
    """exit code 2. 설치도 하지 않는다."""
    done = clone.start(typed)
    assert done.returncode == 2
    assert f"혹시 이것인가요?  ./시작 {likely}\n" in done.stderr
    assert clone.calls() == []


def test_hopeless_command_lists_the_commands(clone: Clone) -> None:
    done = clone.start("zzzz")
    assert done.returncode == 2
    assert "혹시" not in done.stderr
    assert "실행 · 스터디 · 저장소 · 데이터 · 검증 · 웹 · 테스트 · 벤치" in done.stderr


@pytest.mark.parametrize("words", [["도움말"], ["help"], ["-h"], ["--help"], ["도움말", "도움말"]])
def test_help_needs_no_setup(clone: Clone, words: list[str]) -> None:
    done = clone.start(*words)
    assert done.returncode == 0
    for name in ("./시작 실행 (run)", "./시작 테스트 (test)"):
        assert name in done.stdout
    assert clone.calls() == []


def test_help_of_a_command_is_its_own(ready: Clone) -> None:
    report = ready.echo("도움말", "저장소")
    assert (report["module"], report["argv"]) == ("optimize.storage", ["--help"])


def test_launcher_adds_at_most_50_ms(ready: Clone) -> None:
    """갖춘 뒤의 시작이 .venv의 python으로 바로 여는 것보다 50 ms 안쪽으로 더 쓴다.

    다른 시험이 코어를 차지해도 흔들리지 않게 CPU 시간의 최솟값끼리 견준다. 벽시계로는
    tests/bench/launch_time.py가 잰다.
    """
    environment = ready.environment()

    def cpu_seconds(*command: str) -> float:
        times = []
        for _ in range(10):
            process = subprocess.Popen(
                command, cwd=ready.home, env=environment, stdout=subprocess.DEVNULL
            )
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0
            times.append(used.ru_utime + used.ru_stime)
        return min(times)

    direct = cpu_seconds(str(ready.root / ".venv/bin/python"), "-m", "tui")
    assert cpu_seconds(str(ready.launcher)) - direct <= 0.050


@pytest.mark.parametrize(("command", "code"), [("실행", 130), ("테스트", -signal.SIGINT)])
def test_interrupt_while_launching_shows_no_traceback(
    clone: Clone, command: str, code: int
) -> None:
    """런처가 도는 동안의 Ctrl-C는 우리 명령이 채비를 한 뒤에 한 줄로 받고, 남의 명령이면 조용히 끝난다."""
    assert clone.start("테스트").returncode == 0
    shutil.copy2(REPO / "optimize" / "interrupt.py", clone.root / "optimize")
    run = clone.root / "optimize" / "run.py"
    ready = "from optimize.interrupt import end_quietly\nend_quietly()\n"
    run.write_text(ready + run.read_text(encoding="utf-8"), encoding="utf-8")
    stamp = clone.root / "launcher" / "stamp.py"
    pressed = "\nimport signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    stamp.write_text(stamp.read_text(encoding="utf-8") + pressed, encoding="utf-8")
    done = clone.start(command)
    assert done.returncode == code, done.stderr
    assert done.stderr == ("멈췄습니다.\n" if code == 130 else "")
    assert done.stdout == ""
