"""화면이 열리면 처음 한 번의 컴파일을 뒤에서 시작한다."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from optimize.strategy import kernel_cache
from tui import bridge
from tui.app import WizardApp

WARM_KERNELS = bridge.warm_kernels  # conftest가 바꾸기 전의 것


@pytest.fixture
def spawned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(bridge, "spawn_detached", lambda argv, *_: calls.append(argv))
    return calls


def test_캐시가_비었을_때만_컴파일을_띄운다(spawned: list[list[str]]) -> None:
    WARM_KERNELS()
    assert spawned == [[sys.executable, "-m", "optimize.runner.rehearsal"]]
    marker = kernel_cache.rehearsed_marker("squeeze_momentum", "1m@15m")
    marker.parent.mkdir(parents=True)
    marker.touch()
    WARM_KERNELS()
    assert len(spawned) == 1


async def test_첫_화면이_뜬_뒤에_부른다(tui_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[bool] = []
    monkeypatch.setattr(bridge, "warm_kernels", lambda: called.append(True))
    async with WizardApp().run_test() as pilot:
        assert called == []
        await pilot.pause(1.0)
        assert called == [True]
