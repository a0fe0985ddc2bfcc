"""`python -m optimize.data`: 캔들 받기·들이기·점검·목록·확인·정리.

stdout은 결과(`--json`이면 JSON 하나), stderr는 진행과 알림이다.
exit code: 0 잘됨 · 2 틀린 인자 · 4 캔들을 얻지 못했거나 캐시가 깨졌다 · 130 멈춤.
"""

from __future__ import annotations

from optimize.interrupt import end_quietly

if __name__ == "__main__":
    # 나머지를 import하는 동안의 Ctrl-C도 traceback이 되지 않게 먼저 부른다.
    end_quietly()

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from optimize import paths
from optimize.cli import KoreanArgumentParser, command
from optimize.data.manifest import list_cached
from optimize.data.period import check_order, format_period, parse_end, parse_start
from optimize.data.symbols import Symbol, SymbolError, parse_symbol
from optimize.data.timeframes import MINUTE_MS, Timeframe
from optimize.errors import DataError, SettingsError


def _parser() -> KoreanArgumentParser:
    parser = KoreanArgumentParser(
        prog="python -m optimize.data",
        description="캔들을 받고, 들이고, 점검합니다.",
        epilog="exit code: 0 잘됨, 2 틀린 인자, 4 캔들을 얻지 못했거나 캐시가 깨짐, 130 멈춤. "
        "옵션은 python -m optimize.data 명령 --help 로 봅니다.",
    )
    commands = parser.add_subparsers(dest="command", metavar="명령", required=True)

    fetch = _add(commands, "fetch", ["받기"], "거래소에서 빠진 캔들을 내려받습니다", _fetch)
    fetch.add_argument(
        "--symbol", required=True, help="예: BINANCE:BTCUSDT, BINANCE:BTCUSDT.P, UPBIT:BTCKRW"
    )
    fetch.add_argument(
        "--start",
        metavar="DATE",
        help="시작(UTC, 포함). 비우면 캐시의 처음, 캐시가 비었으면 365일 전",
    )
    fetch.add_argument(
        "--end", metavar="DATE", help="끝(UTC, 포함하지 않음). 비우면 오늘 0시. 예: 2025-01-01"
    )
    fetch.add_argument(
        "--refresh", action="store_true", help="거래소가 다시 올린 달을 다시 받습니다"
    )

    take = _add(commands, "import", ["들이기"], "파일을 캐시에 들입니다", _import)
    take.add_argument(
        "file", nargs="?", type=Path, help="csv, csv.gz, parquet, arrow, feather, Binance zip"
    )
    take.add_argument("--symbol", required=True, help="어느 심볼의 캔들인가")
    take.add_argument(
        "--funding", type=Path, metavar="FILE", help="무기한 선물의 펀딩 기록 파일 (열 time, rate)"
    )
    take.add_argument("--columns", default="", help="열 정하기. 예: time=unix,volume=Volume BTC")
    take.add_argument("--floor-times", action="store_true", help="격자를 벗어난 시각을 내림합니다")
    take.add_argument("--replace", action="store_true", help="그 심볼의 캐시를 비우고 들입니다")

    check = _add(commands, "check", ["점검"], "캔들의 흠을 찾습니다", _check)
    which = check.add_mutually_exclusive_group()
    which.add_argument("--symbol", help="캐시의 심볼. 비우면 캐시 전부")
    which.add_argument("--data", type=Path, metavar="FILE", help="캔들 파일")
    check.add_argument("--columns", default="", help="열 정하기. 예: time=unix,volume=Volume BTC")
    check.add_argument(
        "--repair", action="store_true", help="깨진 달과 깨진 목록을 캐시에서 비웁니다"
    )
    check.add_argument("--json", action="store_true", help="JSON으로 씁니다")

    listing = _add(commands, "list", ["목록"], "캐시에 든 심볼을 보입니다", _list)
    listing.add_argument("--json", action="store_true", help="JSON으로 씁니다")

    probe = _add(commands, "probe", ["확인"], "캔들을 어디서 얻을 수 있는지 알아봅니다", _probe)
    probe.add_argument("--symbol", required=True, help="알아볼 심볼. 예: BINANCE:BTCUSDT")
    probe.add_argument(
        "--timeout", type=float, default=2.5, metavar="SEC", help="기다릴 시간(초, 기본 2.5)"
    )
    probe.add_argument("--json", action="store_true", help="JSON으로 씁니다")

    clean = _add(
        commands, "clean", ["정리"], "준비해 둔 파일을 지웁니다(받은 캔들은 남습니다)", _clean
    )
    clean.add_argument(
        "--days",
        type=float,
        default=30.0,
        metavar="N",
        help="이 날수 동안 쓰지 않은 것만(기본 30). 0이면 모두",
    )
    return parser


def _add(
    commands: argparse._SubParsersAction[KoreanArgumentParser],
    name: str,
    aliases: list[str],
    text: str,
    run: Callable[[argparse.Namespace], int],
) -> KoreanArgumentParser:
    parser = commands.add_parser(name, aliases=aliases, help=text, description=text)
    parser.set_defaults(run=run)
    return parser


def _symbol(text: str) -> Symbol:
    try:
        return parse_symbol(text)
    except SymbolError as error:
        raise SettingsError("심볼이 틀렸습니다", str(error), "--symbol 을 바로잡으세요") from error


def _at_least(name: str, value: float, low: float) -> None:
    """수인 인자의 아래 끝. NaN도 거절한다."""
    if not low <= value < float("inf"):
        raise SettingsError(
            "명령의 인자가 틀렸습니다",
            f"{name} {value:g}: {low:g} 이상의 수여야 합니다",
            f"{name} 을(를) 고치거나 빼세요(빼면 기본값을 씁니다)",
        )


def _columns(text: str) -> dict[str, str]:
    chosen = {}
    meanings = ("time", "open", "high", "low", "close", "volume")
    for part in filter(None, text.split(",")):
        field, equals, name = part.partition("=")
        if not equals or field.strip() not in meanings:
            raise SettingsError(
                "--columns 를 읽을 수 없습니다",
                f"'{part}': 뜻=열 꼴이 아니거나 모르는 뜻입니다. 뜻은 {', '.join(meanings)}입니다",
                "예: --columns time=unix,volume=Volume",
            )
        chosen[field.strip()] = name.strip()
    return chosen


def _fetch(args: argparse.Namespace) -> int:
    from optimize.data.download import download
    from optimize.data.prepare import choose_period, missing_fix
    from optimize.data.progress import terminal_progress
    from optimize.data.store import SymbolStore

    symbol = _symbol(args.symbol)
    if symbol.is_demo:
        raise SettingsError(
            "합성 데모는 내려받지 않습니다",
            "실행할 때 seed로 만듭니다",
            f"바로 실행하세요: python -m optimize.run --symbol {symbol}",
        )
    store = SymbolStore(paths.cache_dir(), symbol)
    start = parse_start(args.start) if args.start else None
    end = parse_end(args.end) if args.end else None
    start_ms, end_ms = choose_period(store.manifest(), start, end, newest=True)
    check_order(start_ms, end_ms)
    with terminal_progress() as on_progress:
        notes = download(
            store, start_ms, end_ms, on_progress, fix=missing_fix(symbol), refresh=args.refresh
        )
    for note in notes:
        print(f"알림: {note}", file=sys.stderr)
    manifest = store.manifest()
    period = manifest.period
    if period is None:
        raise DataError(f"{symbol}의 캔들을 받지 못했습니다", "; ".join(notes), missing_fix(symbol))
    left = manifest.missing(start_ms, min(end_ms, max(end for _, end in manifest.covered)))
    print(f"{symbol} · {manifest.source} · 봉 {manifest.rows:,}개 · {format_period(*period)}")
    for span in left:
        print(f"알림: 받지 못한 구간 {format_period(*span)}", file=sys.stderr)
    return 0


def _import(args: argparse.Namespace) -> int:
    from optimize.data.files import read_candles, read_funding
    from optimize.data.store import SymbolStore

    symbol = _symbol(args.symbol)
    if symbol.is_demo:
        raise SettingsError(
            "DEMO: 심볼에는 파일을 들일 수 없습니다",
            "DEMO:는 늘 합성 데모입니다",
            "실제 심볼을 쓰세요. 예: --symbol BINANCE:BTCUSDT",
        )
    if args.file is None and args.funding is None:
        raise SettingsError(
            "들일 파일이 없습니다",
            "캔들 파일도 --funding 도 주지 않았습니다",
            "예: python -m optimize.data import 캔들.csv.gz --symbol BINANCE:BTCUSDT",
        )
    if args.funding is not None and not symbol.is_perpetual:
        raise SettingsError(
            f"{symbol}은(는) 현물이라 펀딩이 없습니다",
            f"펀딩 기록 파일 {args.funding.name}을(를) 함께 주었습니다",
            f"무기한 선물이면 --symbol {symbol}.P 로 쓰고, 아니면 --funding 을 빼세요",
        )
    store = SymbolStore(paths.cache_dir(), symbol)
    if args.file is not None:
        file: Path = args.file.expanduser()
        read = read_candles(file, floor_off_grid=args.floor_times, columns=_columns(args.columns))
        print(f"알아본 것: {read.recognised.line()}", file=sys.stderr)
        times = read.candles.open_time
        covered = (int(times[0]), int(times[-1]) + read.interval_ms)
        changed = store.merge(
            read.candles, read.interval_ms, covered, f"파일 {file.name}", replace=args.replace
        )
        for note in read.quality.notes():
            # 채우기는 실행할 때 한다: 여기서는 흠만 알린다.
            print(f"알림: {note.replace('채웠습니다', '채워 씁니다')}", file=sys.stderr)
        if changed:
            print(f"알림: 캐시에 있던 봉 {changed:,}개가 새 값으로 바뀌었습니다", file=sys.stderr)
        print(
            f"들임: {symbol} · {Timeframe(read.interval_ms // MINUTE_MS)} 봉 {len(times):,}개 · "
            f"{format_period(*covered)}"
        )
    if args.funding is not None:
        funding = read_funding(args.funding.expanduser())
        store.merge_funding(funding)
        print(f"들임: {symbol} · 펀딩 {len(funding):,}번")
    print(f"이제 --symbol {symbol} 로 인터넷 없이 실행할 수 있습니다.", file=sys.stderr)
    return 0


def _check(args: argparse.Namespace) -> int:
    from optimize.data.inspection import cached_symbols, inspect_cache, inspect_file

    if args.data is not None:
        reports = [inspect_file(args.data.expanduser(), _columns(args.columns))]
    else:
        symbols = [_symbol(args.symbol)] if args.symbol else cached_symbols(paths.cache_dir())
        if not symbols:
            raise DataError(
                "캐시가 비었습니다",
                "점검할 캔들이 없습니다",
                "python -m optimize.data import 파일 --symbol 심볼, 또는 check --data 파일",
            )
        reports = [
            inspect_cache(paths.cache_dir(), symbol, repair=args.repair) for symbol in symbols
        ]
    if args.json:
        print(json.dumps([report.to_json() for report in reports], ensure_ascii=False, indent=1))
    else:
        print("\n\n".join("\n".join(report.lines()) for report in reports))
    return 4 if any(report.broken and not report.repaired for report in reports) else 0


def _list(args: argparse.Namespace) -> int:
    cached = list_cached(paths.cache_dir())
    if args.json:
        print(json.dumps([asdict(entry) for entry in cached], ensure_ascii=False, indent=1))
        return 0
    if not cached:
        print("캐시가 비었습니다. import 나 fetch 로 캔들을 넣으세요.", file=sys.stderr)
    for entry in cached:
        apart = f" · 떨어진 구간 {entry.spans}개" if entry.spans > 1 else ""
        print(
            f"{entry.symbol:<20} {Timeframe(entry.interval_ms // MINUTE_MS)}  "
            f"{format_period(entry.start_ms, entry.end_ms)}  봉 {entry.bars:,}개  "
            f"{entry.bytes / 1e6:.1f} MB  {entry.source}{' · 펀딩' if entry.has_funding else ''}{apart}"
        )
    return 0


def _probe(args: argparse.Namespace) -> int:
    from optimize.data.probe import probe

    _at_least("--timeout", args.timeout, 0)
    found = probe(_symbol(args.symbol), paths.cache_dir(), args.timeout)
    if args.json:
        print(json.dumps(asdict(found), ensure_ascii=False))
    else:
        print(f"{found.symbol}: {found.detail}")
    return 0


def _clean(args: argparse.Namespace) -> int:
    from optimize.data.sweep import sweep

    _at_least("--days", args.days, 0)
    count, size = sweep(paths.cache_dir(), older_than_days=args.days)
    print(
        f"준비해 둔 폴더 {count}개, {size / 1e6:.1f} MB를 지웠습니다. 필요하면 다시 만들어집니다."
    )
    return 0


def _run(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    code: int = args.run(args)
    return code


main = command(_run)

if __name__ == "__main__":
    sys.exit(main(None))
