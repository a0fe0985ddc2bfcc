"""`symbols`와 그 인자: 이름만 적기, 심볼마다의 파일과 비용, 인자와 설정 파일의 차례, 하나일 때."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimize.errors import SettingsError
from optimize.settings.arguments import parse_run_arguments
from optimize.settings.load import load_params
from optimize.settings.model import Params
from optimize.settings.plan import make_plan

A, B = "BINANCE:AAAUSDT.P", "BINANCE:BBBUSDT.P"


def params_of(*argv: str, config: Path | None = None) -> Params:
    arguments = parse_run_arguments([*argv])
    return load_params(config, arguments.overrides)


def test_names_and_files_come_from_the_arguments(tmp_path: Path) -> None:
    params = params_of(
        *("--symbols", f"{B}, {A.lower()}", "--data", f"{A}={tmp_path}/a=1.csv"),
        *("--data", f"{B}={tmp_path}/b.csv", "--funding", f"{B}={tmp_path}/f.csv"),
    )
    assert [entry.symbol for entry in params.chosen] == [A, B]
    assert [entry.file for entry in params.chosen] == [f"{tmp_path}/a=1.csv", f"{tmp_path}/b.csv"]
    assert [entry.funding_file for entry in params.chosen] == [None, f"{tmp_path}/f.csv"]


def test_a_file_for_an_unknown_symbol_is_refused() -> None:
    with pytest.raises(SettingsError, match="심볼을 알 수 없습니다"):
        params_of("--symbols", A, "--data", f"{B}=b.csv")


def test_one_symbol_on_the_command_beats_the_list_in_the_file(tmp_path: Path) -> None:
    config = tmp_path / "p.yaml"
    config.write_text(f"symbols: [{A}, {B}]\n", encoding="utf-8")
    assert len(params_of(config=config).chosen) == 2
    (only,) = params_of("--symbol", "DEMO:BTCUSDT", config=config).chosen
    assert only.symbol == "DEMO:BTCUSDT"
    assert len(params_of("--symbol", A, "--symbols", f"{A},{B}", config=config).chosen) == 2


def test_set_takes_a_list_or_a_line(tmp_path: Path) -> None:
    for text in (f"symbols=[{A}, {B}]", f"symbols={A},{B}"):
        assert [e.symbol for e in params_of("--set", text).chosen] == [A, B]


def test_own_costs_lie_over_the_common_ones() -> None:
    params = load_params(
        None,
        [
            (("symbols",), [{"symbol": A, "tick_size": 0.5, "fee_rate": 0.001}, B]),
            (("backtest", "fee_rate"), 0.0002),
        ],
    )
    first, second = (entry.costs(params.backtest.model_dump()) for entry in params.chosen)
    assert (first["fee_rate"], first["tick_size"]) == (0.001, 0.5)
    assert (second["fee_rate"], second["tick_size"]) == (0.0002, None)


def test_a_list_of_one_is_that_symbol(wizard_home: Path) -> None:
    plan = make_plan(parse_run_arguments(["--symbols", A, "--data", "a.csv"]), {})
    alone = make_plan(parse_run_arguments(["--symbol", A, "--data", "a.csv"]), {})
    assert plan.cells[0].slug == alone.cells[0].slug
    assert plan.data_file == alone.data_file == Path("a.csv").absolute()


def test_the_plan_names_every_symbol(wizard_home: Path) -> None:
    plan = make_plan(parse_run_arguments(["--symbols", f"{B},{A}"]), {})
    assert plan.masked()["symbols"] == [A, B]
    assert plan.masked()["symbol"] == f"{A}, {B}"
    assert plan.cells[0].slug == "binance_aaausdt_p_bbbusdt_p_1m_15m"
