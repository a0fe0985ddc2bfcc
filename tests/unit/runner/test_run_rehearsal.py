"""예행: 진짜 자료와 같은 형의 봉으로 돌아, 첫 시행이 컴파일을 기다리지 않는다."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from optimize.backtest.costs import CostModel
from optimize.backtest.engine import run_backtest
from optimize.data.prepare import prepare
from optimize.data.symbols import parse_symbol
from optimize.data.timeframes import parse_grid
from optimize.runner.rehearsal import rehearsal_dataset, rehearse
from optimize.strategy.registry import load_strategy


@pytest.mark.parametrize("cell", ["1m@15m", "15m@1h", "1m", "4h"])
def test_the_arrays_are_of_the_same_kind_as_real_candles(cell: str, tmp_path: Path) -> None:
    (ref,) = prepare(
        parse_symbol("DEMO:BTCUSDT"),
        parse_grid(cell),
        demo_seed=1,
        demo_days=3,
        cache_dir=tmp_path,
        on_progress=lambda *_: None,
    )
    real, fake = ref.open(), rehearsal_dataset("DEMO:BTCUSDT", cell)
    for part in ("ltf", "htf", "base"):
        ours, theirs = getattr(fake, part), getattr(real, part)
        assert (ours is None) == (theirs is None), part
        if ours is None:
            continue
        for item in dataclasses.fields(ours):
            made, read = getattr(ours, item.name), getattr(theirs, item.name)
            assert made.dtype == read.dtype, item.name
            assert made.flags.writeable == read.flags.writeable, item.name
    for name in ("htf_index", "base_start"):
        made, read = getattr(fake, name), getattr(real, name)
        assert (made is None) == (read is None), name
        assert made is None or (made.dtype, made.flags.writeable) == (read.dtype, False)


def test_a_strategy_can_be_evaluated_on_it() -> None:
    strategy = load_strategy("donchian_breakout")
    params = {parameter.name: parameter.default for parameter in strategy.parameters}
    result = run_backtest(rehearsal_dataset("DEMO:X1", "15m@1h"), strategy, params, CostModel())
    assert result.metrics["trades"] >= 0


def test_a_users_strategy_is_read_but_not_called(tmp_path: Path) -> None:
    """부르는 것은 진짜 시행뿐이다: 죽거나 멈추는 전략이 작업자의 시작을 막지 않는다."""
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\n"
        "here = Path(__file__).parent\n"
        "(here / 'read').touch()\n"
        "class Mine:\n"
        "    name = 'mine'\n"
        "    parameters = ()\n"
        "    def signals(self, dataset, params):\n"
        "        (here / 'called').touch()\n",
        encoding="utf-8",
    )
    rehearse(f"{tmp_path / 'mine.py'}:Mine", CostModel(), "DEMO:BTCUSDT", "15m@1h")
    assert (tmp_path / "read").exists()
    assert not (tmp_path / "called").exists()


def test_a_broken_strategy_does_not_break_the_worker(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("raise RuntimeError('x')", encoding="utf-8")
    rehearse(f"{tmp_path / 'bad.py'}:Bad", CostModel(), "DEMO:BTCUSDT", "1m")


def test_main_of_the_rehearsal_compiles_the_search_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """화면이 뒤에서 띄우는 예행이 탐색의 모형까지 컴파일한다: 첫 실행이 열 번째 시행쯤에서 멈추지 않는다."""
    from optimize.runner import rehearsal
    from optimize.search import tpe_model

    done: list[str] = []
    monkeypatch.setattr(rehearsal, "rehearse", lambda *_: done.append("전략"))
    monkeypatch.setattr(rehearsal.os, "nice", lambda _: None)
    monkeypatch.setattr(tpe_model, "warm_up", lambda _: done.append("모형"))
    rehearsal.main()
    assert done == ["전략", "모형"]
