"""`python -m optimize.run`의 인자. 인자는 `--set 키=값`과 같은 덮어쓰기로 바뀐다."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimize import paths
from optimize.cli import KoreanArgumentParser
from optimize.data.symbols import SymbolError, parse_symbol
from optimize.errors import SettingsError
from optimize.settings.load import parse_assignment
from optimize.settings.model import PRUNERS, SAMPLERS, VALIDATIONS
from optimize.settings.symbols import as_entries

# 인자의 이름 → 설정 키의 경로.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "symbol": ("symbol",),
    "symbols": ("symbols",),
    "timeframe_grid": ("timeframe_grid",),
    "data": ("data", "file"),
    "funding": ("data", "funding_file"),
    "start": ("data", "start"),
    "end": ("data", "end"),
    "strategy": ("strategy", "name"),
    "n_trials": ("search", "n_trials"),
    "timeout": ("search", "timeout"),
    "n_jobs": ("search", "n_jobs"),
    "dataset_jobs": ("search", "dataset_jobs"),
    "executor": ("search", "executor"),
    "dask_scheduler": ("search", "dask_scheduler"),
    "sampler": ("search", "sampler"),
    "seed": ("search", "seed"),
    "pruner": ("search", "pruner"),
    "validation": ("validation", "method"),
    "study_name": ("search", "study_name"),
}


@dataclass(frozen=True, slots=True)
class RunArguments:
    """명령에서 읽은 것. overrides는 `load_params`에, 나머지는 `make_plan`과 실행에 간다."""

    config: Path | None
    overrides: tuple[tuple[tuple[str, ...], Any], ...]
    storage_url: str | None
    storage_url_env: str | None
    events: str | None
    run_id: str | None
    plan_only: bool
    argv: tuple[str, ...] = ()


def build_parser() -> argparse.ArgumentParser:
    """`optimize.run`의 parser."""
    parser = KoreanArgumentParser(
        prog="python -m optimize.run",
        description="실제 캔들로 전략의 파라미터를 탐색한다. 인자는 설정 파일의 값을 이긴다.",
        epilog="exit code: 0 끝남, 2 틀린 인자나 설정, 3 저장소에 닿지 못함, 4 캔들을 얻지 못함, 5 실행 실패, "
        "130 멈춤. 모든 설정과 뜻은 config/params.yaml에 있다.",
    )
    add = parser.add_argument
    add("--config", type=Path, metavar="FILE", help="설정 파일 (기본 config/params.yaml)")
    add("--symbol", metavar="SYMBOL", help="심볼. 예: BINANCE:BTCUSDT, DEMO:BTCUSDT")
    add("--symbols", metavar="A,B", help="한 시행이 함께 보는 심볼들 (쉼표로 잇는다)")
    add("--timeframe-grid", metavar="GRID", help='시간 격자. 예: "1m@15m,1m@1h"')
    add("--start", metavar="DATE", help="시작 날짜(UTC, 포함)")
    add("--end", metavar="DATE", help="끝 날짜(UTC, 포함하지 않음)")
    add(
        "--data",
        action="append",
        metavar="FILE",
        help="캔들 파일 (csv, csv.gz, parquet, arrow, zip). 심볼이 여럿이면 심볼=파일을 거듭 준다",
    )
    add(
        "--funding",
        action="append",
        metavar="FILE",
        help="무기한 선물의 펀딩 기록 파일 (열 time, rate). 심볼이 여럿이면 심볼=파일을 거듭 준다",
    )
    add(
        "--strategy",
        metavar="NAME",
        help="전략: squeeze_momentum, ma_cross, donchian_breakout 또는 파일.py:클래스",
    )
    add("--n-trials", metavar="N", help="스터디마다의 목표 총 시행 수")
    add("--timeout", metavar="SEC", help="시간 제한(초)")
    add("--n-jobs", metavar="N", help="작업 프로세스 수 (-1은 모든 코어)")
    add(
        "--dataset-jobs",
        metavar="N",
        help="동시에 진행하는 칸의 수 (0은 모든 칸), 심볼이 여럿이면 한 시행을 나눌 수",
    )
    add("--executor", choices=("local", "dask"), help="작업자를 두는 곳")
    add("--dask-scheduler", metavar="URL", help="dask scheduler 주소 (tcp://호스트:8786)")
    add("--sampler", choices=SAMPLERS, help="탐색 방법")
    add("--seed", metavar="N", help="난수의 seed")
    add("--pruner", choices=PRUNERS, help="일찍 멈추는 방법")
    add("--validation", metavar="METHOD", help=f"검증 방법: {', '.join(VALIDATIONS)}")
    add("--study-name", metavar="NAME", help="스터디 이름 (칸이 여럿이면 뒤에 칸이 붙는다)")
    add("--storage-url", metavar="URL", help="저장소 URL (PostgreSQL 또는 sqlite:///파일)")
    add("--storage-url-env", metavar="NAME", help="저장소 URL을 담은 환경 변수의 이름")
    add(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="아무 설정이나 바꾼다. 예: --set backtest.fee_rate=0.001 (거듭 줄 수 있다)",
    )
    add("--events", metavar="FILE|-", help="사건을 더 적을 파일, -는 stdout")
    add("--run-id", metavar="ID", help="이 실행의 이름 (기본은 시각으로 짓는다)")
    add("--plan", action="store_true", help="계획을 비밀번호를 가려 보이고 멈춘다")
    return parser


def parse_run_arguments(argv: list[str]) -> RunArguments:
    """인자를 읽는다. 틀리면 SettingsError."""
    parsed = build_parser().parse_args(argv)
    parsed.data, files = _files(parsed.data)
    parsed.funding, funding_files = _files(parsed.funding)
    parsed.symbols = _symbol_entries(parsed.symbols, files, funding_files)
    if parsed.symbol is not None and parsed.symbols is None:
        # 명령의 심볼 하나가 설정 파일의 symbols를 이긴다.
        parsed.symbols = []
    if parsed.strategy is not None:
        parsed.strategy = absolute_strategy(parsed.strategy)
    overrides: list[tuple[tuple[str, ...], Any]] = [
        (path, value)
        for name, path in _KEYS.items()
        if (value := getattr(parsed, name)) is not None
    ]
    # --set은 이름 있는 인자보다 뒤에 온다: 더 구체적인 것이 이긴다.
    overrides += [parse_assignment(text) for text in parsed.sets]
    return RunArguments(
        config=parsed.config,
        overrides=tuple(overrides),
        storage_url=parsed.storage_url,
        storage_url_env=parsed.storage_url_env,
        events=parsed.events,
        run_id=parsed.run_id,
        plan_only=parsed.plan,
        argv=tuple(argv),
    )


def _files(texts: Sequence[str] | None) -> tuple[str | None, dict[str, str]]:
    """`FILE`은 하나의 파일로, `SYMBOL=FILE`은 심볼 → 파일로. 경로는 절대 경로가 된다."""
    whole: str | None = None
    by_symbol: dict[str, str] = {}
    for text in texts or ():
        name, equals, path = text.partition("=")
        symbol = _symbol_or_none(name) if equals else None
        file = str(paths.expanded(text if symbol is None else path).absolute())
        if symbol is None:
            whole = file
        else:
            by_symbol[symbol] = file
    return whole, by_symbol


def _symbol_or_none(text: str) -> str | None:
    try:
        return str(parse_symbol(text))
    except SymbolError:
        return None


def _symbol_entries(
    symbols: str | None, files: Mapping[str, str], funding_files: Mapping[str, str]
) -> list[Any] | None:
    """`--symbols`와 심볼마다의 파일을 `symbols`의 항목으로. 심볼 없이 파일만 심볼마다 주면 SettingsError."""
    names = None if symbols is None else as_entries(symbols)
    known = {str(parse_symbol(name)) for name in names or () if _symbol_or_none(name)}
    extra = sorted((files.keys() | funding_files.keys()) - known)
    if extra:
        raise SettingsError(
            "심볼마다 준 파일의 심볼을 알 수 없습니다",
            f"--symbols에 없는 심볼: {', '.join(extra)}",
            f"--symbols {','.join(sorted(known | set(extra)))} 처럼 심볼을 모두 적으세요",
        )
    if names is None:
        return None
    return [
        {
            "symbol": name,
            "file": files.get(_symbol_or_none(name) or ""),
            "funding_file": funding_files.get(_symbol_or_none(name) or ""),
        }
        for name in names
    ]


def absolute_strategy(spec: str) -> str:
    """`파일.py:클래스`의 상대 경로는 명령을 부른 폴더에서 잰다. 이름이면 그대로."""
    path, colon, name = spec.rpartition(":")
    if not colon or not path.endswith(".py"):
        return spec
    return f"{paths.expanded(path).absolute()}:{name}"
