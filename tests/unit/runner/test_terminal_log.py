"""`run.log`와 stderr가 같은 파일일 때(화면이 띄운 실행): 같은 줄이 두 번 남지 않는다."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from optimize.protocol import DataProgressEvent, ProgressEvent, StudyEvent
from optimize.runner.terminal import Wording

_SPEAK = """
import sys
from pathlib import Path
from optimize.protocol import ErrorEvent, Hello, WarningEvent
from optimize.runner.terminal import make_terminals

for terminal in (terminals := make_terminals(Path(sys.argv[1]), quiet=False)):
    for event in (Hello("r1", 1), WarningEvent("경고 하나"), ErrorEvent("오류 하나")):
        terminal(event)
for terminal in terminals:
    terminal.close()
"""


@pytest.mark.parametrize("shared", [True, False])
def test_each_line_once(tmp_path: Path, shared: bool) -> None:
    """stderr가 run.log이면 한 번씩만, 아니면 run.log와 stderr에 따로 남는다."""
    log, other = tmp_path / "run.log", tmp_path / "stderr"
    with (log if shared else other).open("ab") as stderr:
        environ = {**os.environ, "PYTHONUTF8": "1"}
        argv = [sys.executable, "-c", _SPEAK, str(tmp_path)]
        subprocess.run(argv, check=True, stderr=stderr, env=environ)
    text = log.read_text(encoding="utf-8")
    assert text.count("실행 r1") == 1
    assert text.count("경고 하나") == 1
    # 같은 파일이면 오류는 명령의 입구(`optimize.cli`)가 그 파일에 한 번 쓴다.
    assert text.count("오류 하나") == (0 if shared else 1)
    if not shared:
        assert other.read_text(encoding="utf-8").count("경고 하나") == 1


def test_한_번에_끝나는_준비는_한_줄이다() -> None:
    """나뉜 준비는 시작과 끝을 말한다."""
    wording = Wording(10.0)
    events = [DataProgressEvent("파일 읽기", done, 1) for done in (0, 1)]
    events += [DataProgressEvent("내려받기", done, 3) for done in range(4)]
    lines = [line for event in events for line in wording.lines(event)]
    assert lines == ["준비: 파일 읽기", "준비: 내려받기 0/3", "준비: 내려받기 3/3"]


def test_이어서_돌려도_지난_최선을_보인다() -> None:
    wording = Wording(10.0)
    events = [
        StudyEvent("s", "s", "1m", "x", done=5, target=7, best_value=1.5),
        ProgressEvent("s", 7, 7, 3.0, 0.0),
    ]
    lines = [line for event in events for line in wording.lines(event)]
    assert lines[-1] == "s: 7/7 · 3.0/초 · 최선 1.5"
