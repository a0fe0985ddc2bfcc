"""기계어가 디스크에 남아 다른 프로세스가 다시 컴파일하지 않고, 원본이 바뀌면 다른 자리를 쓴다."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
sys.path.insert(0, {tests!r})
from reference.builders import dataset, random_candles
from optimize.backtest.costs import CostModel
from optimize.backtest.engine import run_backtest
from optimize.backtest.engine_nb import simulate_nb
from optimize.strategy.registry import load_strategy
from optimize.strategy.squeeze_momentum_nb import squeeze_batch_nb
strategy = load_strategy("squeeze_momentum")
params = {{p.name: p.default for p in strategy.parameters}}
run_backtest(dataset(random_candles(1, 1500), "1m@15m"), strategy, params, CostModel())
hits = [sum(f.stats.cache_hits.values()) for f in (squeeze_batch_nb, simulate_nb)]
print(*hits)
"""


def run_once() -> list[str]:
    code = CODE.format(tests=str(Path(__file__).resolve().parents[2]))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_두_번째_프로세스는_컴파일하지_않는다() -> None:
    """첫 프로세스가 (없으면) 남기고 둘째가 꺼내 쓴다. 시험 자료의 배열 형은 실제 자료와 같다."""
    run_once()
    assert run_once() == ["1", "1"]


def test_쓸_수_없는_곳이면_사용자의_캐시_폴더를_쓴다(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optimize.strategy import kernel_cache

    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    local = kernel_cache.cache_folder()
    assert local.parent == Path(kernel_cache.__file__).parent / "__pycache__"
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "__pycache__").write_text("폴더가 아니다")
    monkeypatch.setattr(kernel_cache, "kernel_sources_digest", lambda: "0123")
    monkeypatch.setattr(kernel_cache, "__file__", str(tmp_path / "strategy" / "kernel_cache.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert kernel_cache.cache_folder() == tmp_path / "cache" / "backtest-wizard" / "kernels-0123"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    assert kernel_cache.cache_folder() == tmp_path / "mine" / "kernels-0123"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine" / "kernels-0123"))
    assert kernel_cache.cache_folder() == tmp_path / "mine" / "kernels-0123"


def test_kernel의_원본_하나가_바뀌면_지문이_바뀐다(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optimize.strategy import kernel_cache

    package = Path(kernel_cache.__file__).parents[1]
    for folder in ("strategy", "backtest"):
        (tmp_path / folder).mkdir()
        for source in (package / folder).glob("*.py"):
            (tmp_path / folder / source.name).write_bytes(source.read_bytes())
    monkeypatch.setattr(kernel_cache, "__file__", str(tmp_path / "strategy" / "kernel_cache.py"))
    first = kernel_cache.kernel_sources_digest()
    (tmp_path / "strategy" / "registry.py").write_text("")
    assert kernel_cache.kernel_sources_digest() == first
    for name in ("strategy/blocks_nb.py", "backtest/ledger_nb.py", "backtest/metrics.py"):
        before = kernel_cache.kernel_sources_digest()
        with (tmp_path / name).open("a") as file:
            file.write("# 고침\n")
        assert kernel_cache.kernel_sources_digest() != before, name
    assert os.path.exists(kernel_cache.__file__)
