"""`python -m optimize.verify`의 인자. 설정 파일의 값이 기본이고 인자가 이긴다."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimize.cli import KoreanArgumentParser
from optimize.errors import SettingsError
from optimize.settings.arguments import absolute_strategy
from optimize.settings.load import load_params, parse_assignment
from optimize.settings.model import Params

_KEYS = {
    "symbol": ("symbol",),
    "timeframe_grid": ("timeframe_grid",),
    "data": ("data", "file"),
    "funding": ("data", "funding_file"),
    "start": ("data", "start"),
    "end": ("data", "end"),
    "strategy": ("strategy", "name"),
}
# 이것을 사용자가 골랐다면 캔들이 없을 때 데모로 바꾸지 않는다.
_DATA_ARGUMENTS = ("symbol", "data", "start", "end")


@dataclass(frozen=True, slots=True)
class VerifyArguments:
    """읽은 인자. rounds: 파라미터 묶음마다 시험할 봉. sets: 파라미터 묶음의 수. bars: 묶음마다 볼 LTF 봉(0은 모두).

    data_chosen: 사용자가 캔들을 골랐는가.
    """

    params: Params
    rounds: int
    sets: int
    bars: int
    seed: int
    data_chosen: bool
    as_json: bool


def build_parser() -> KoreanArgumentParser:
    """`optimize.verify`의 parser."""
    parser = KoreanArgumentParser(
        prog="python -m optimize.verify",
        description="전략이 미래를 보는지 시험한다. 무작위 봉에서 뒤를 자르거나 바꿔도 앞의 신호가 "
        "그대로여야 한다. 새는 곳을 찾으면 봉과 값을 대고 exit code 5로 끝난다.",
    )
    add = parser.add_argument
    add("--config", type=Path, metavar="FILE", help="설정 파일 (기본 config/params.yaml)")
    add("--strategy", metavar="NAME", help="전략 이름 또는 파일.py:클래스")
    add("--data", metavar="FILE", help="캔들 파일 (csv, csv.gz, parquet, arrow, zip)")
    add("--funding", metavar="FILE", help="무기한 선물의 펀딩 기록 파일")
    add("--symbol", metavar="SYMBOL", help="심볼. 캐시에 있어야 한다(내려받지 않는다)")
    add("--timeframe-grid", metavar="GRID", help='시간 격자. 예: "1m@15m,1m@1h"')
    add("--start", metavar="DATE", help="시작 날짜(UTC, 포함)")
    add("--end", metavar="DATE", help="끝 날짜(UTC, 포함하지 않음)")
    add("--rounds", type=int, default=40, metavar="N", help="파라미터 묶음마다 자를 봉 (기본 40)")
    add("--param-sets", type=int, default=6, metavar="N", help="기본값과 무작위 묶음 (기본 6)")
    add("--bars", type=int, default=20_000, metavar="N", help="볼 LTF 봉, 0은 모두 (기본 20000)")
    add("--seed", type=int, default=0, metavar="N", help="난수의 seed (기본 0)")
    add(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="설정 키 바꾸기. 예: --set data.floor_off_grid=true",
    )
    add("--json", action="store_true", help="JSON으로 씁니다")
    return parser


def parse_arguments(argv: list[str]) -> VerifyArguments:
    """인자를 읽고 설정과 합친다. 틀리면 SettingsError."""
    parsed = build_parser().parse_args(argv)
    for name, value, low in (
        ("--rounds", parsed.rounds, 1),
        ("--param-sets", parsed.param_sets, 1),
        ("--bars", parsed.bars, 0),
        ("--seed", parsed.seed, 0),
    ):
        if value < low:
            raise SettingsError(
                "명령의 인자가 틀렸습니다",
                f"{name} {value}: {low} 이상이어야 합니다",
                f"{name} 을(를) 고치거나 빼세요(빼면 기본값을 씁니다)",
            )
    if parsed.data is not None:
        parsed.data = str(Path(parsed.data).expanduser().absolute())
    if parsed.funding is not None:
        parsed.funding = str(Path(parsed.funding).expanduser().absolute())
    if parsed.strategy is not None:
        parsed.strategy = absolute_strategy(parsed.strategy)
    # 심볼이나 파일 하나를 고르면 설정의 symbols가 아니라 그것을 본다.
    single = parsed.symbol is not None or parsed.data is not None
    overrides: list[tuple[tuple[str, ...], Any]] = [(("symbols",), [])] if single else []
    overrides += [
        (path, value)
        for name, path in _KEYS.items()
        if (value := getattr(parsed, name)) is not None
    ]
    overrides += [parse_assignment(text) for text in parsed.sets]
    params = load_params(parsed.config, overrides)
    chosen = any(getattr(parsed, name) is not None for name in _DATA_ARGUMENTS)
    return VerifyArguments(
        params=params,
        rounds=parsed.rounds,
        sets=parsed.param_sets,
        bars=parsed.bars,
        seed=parsed.seed,
        data_chosen=chosen or params.data.file is not None,
        as_json=parsed.json,
    )
