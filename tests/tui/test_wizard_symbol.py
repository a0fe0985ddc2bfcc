"""심볼 단계를 글쇠만으로: 찾기, 직접 입력, 기간, 파일, 캐시와 거래소."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tui_kit import demo, screen_name, shown, type_text, until, until_text

from tui import bridge
from tui.app import WizardApp
from tui.draft import Draft
from tui.screens import wizard_symbol
from tui.screens.wizard_grid import GridScreen
from tui.screens.wizard_symbol import SymbolScreen

SIZE = (100, 32)


def write_cache(home: Path, symbol: str, slug: str) -> None:
    """캐시에 심볼 하나가 있는 것처럼 목록만 적는다."""
    from optimize.data.manifest import Manifest, Month, write_manifest

    month = Month(1440, 1_704_067_200_000, 1_704_153_540_000, 1000, "x")
    manifest = Manifest(symbol, source="파일 x.csv", months={"2024-01": month})
    write_manifest(home / "data" / slug, manifest)


async def test_unreachable_exchange_goes_on_with_labelled_demo(tui_home: Path) -> None:
    """거래소에 닿지 못하고 캐시가 비었으면 그렇게 말하고, Enter는 합성 데모로 가며 표시가 따라간다."""
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(SymbolScreen(Draft("BINANCE:BTCUSDT", "1m@15m")))
        await until_text(pilot, "닿지 못하고 캐시도 비었습니다")
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(app) == "GridScreen")
        await until_text(pilot, "합성 데모")
        screen = app.screen
        assert isinstance(screen, GridScreen)
        assert (screen.draft.symbol, screen.draft.picked) == ("DEMO:BTCUSDT", "BINANCE:BTCUSDT")
        await pilot.press("escape")
        await until(pilot, lambda: screen_name(app) == "SymbolScreen")


async def test_enter_waits_for_the_probe(tui_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """확인이 끝나기 전에 Enter를 누르면 기다렸다가 저절로 간다."""
    answer = asyncio.Event()

    async def probe(_symbol: str) -> tuple[bool, str]:
        await answer.wait()
        return True, ""

    monkeypatch.setattr(bridge, "probe_exchange", probe)
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(SymbolScreen(Draft("BINANCE:BTCUSDT", "1m@15m")))
        await pilot.press("enter")
        await until_text(pilot, "확인이 끝나면 다음으로 갑니다")
        answer.set()
        await until(pilot, lambda: screen_name(app) == "GridScreen")
        assert "합성 데모" not in shown(app)


async def test_cached_symbol_needs_no_exchange(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """캐시에 있으면 기간을 보이고 거래소를 묻지 않는다. 초성으로 찾는다."""
    write_cache(tui_home, "BINANCE:ETHUSDT", "binance_ethusdt")

    async def never(_symbol: str) -> tuple[bool, str]:
        raise AssertionError("묻지 않아야 한다")

    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(SymbolScreen(demo()))
        await until_text(pilot, "캐시에 있는 종목")
        monkeypatch.setattr(bridge, "probe_exchange", never)
        await type_text(pilot, "ㅇㄷㄹㅇ")
        await until_text(pilot, "2024-01-01 ~ 2024-01-01")
        await until_text(pilot, "(1,440개)")
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(app) == "GridScreen")
        assert app.screen.draft.symbol == "BINANCE:ETHUSDT"  # type: ignore[attr-defined]


async def test_free_entry_period_and_file(tui_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """목록에 없는 심볼을 그대로 쓰고(ccxt가 있으면 받는다), 틀린 기간과 없는 파일은 까닭을 말하며 막는다."""
    installed = True
    monkeypatch.setattr(wizard_symbol, "has_ccxt", lambda: installed)
    (tui_home / "c.csv").write_text("x")
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(SymbolScreen(demo()))
        await pilot.pause()
        await type_text(pilot, "bitstamp:btcusd")
        await until_text(pilot, "직접 입력")
        await until_text(pilot, "BITSTAMP에서 ccxt로 내려받습니다")
        installed = False
        await pilot.press("f5")
        await until_text(pilot, "캔들 파일을 주거나")
        await pilot.press("enter")
        assert screen_name(app) == "SymbolScreen"
        await pilot.press("tab")
        await type_text(pilot, "2024-13-01")
        await until_text(pilot, "YYYY-MM-DD로 씁니다")
        await pilot.press("ctrl+u")
        await type_text(pilot, "2024-02-01")
        await pilot.press("tab")
        await type_text(pilot, "2024-01-01")
        await until_text(pilot, "시작 날짜보다 뒤여야")
        await pilot.press("ctrl+u", "tab")
        await type_text(pilot, "c.cs")
        await until_text(pilot, "그 파일이 없습니다")
        await type_text(pilot, "v")
        await until_text(pilot, "파일의 캔들을 씁니다")
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(app) == "GridScreen")
        draft = app.screen.draft  # type: ignore[attr-defined]
        assert (draft.symbol, draft.start, draft.data_file) == (
            "BITSTAMP:BTCUSD",
            "2024-02-01",
            str(tui_home / "c.csv"),
        )


async def test_latin_typed_with_the_hangul_layout_finds(tui_home: Path) -> None:
    """한글 자판으로 친 btc(`ㅠㅅㅊ`)와 목록에 없는 심볼도 찾는다."""
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(SymbolScreen(Draft("BINANCE:ETHUSDT", "1m@15m")))
        await pilot.pause()
        await type_text(pilot, "ㅠㅅㅊ")
        await until_text(pilot, ">BINANCE:BTCUSDT ")
        await pilot.press("ctrl+u")
        await type_text(pilot, "upbit:ㅌ게ㅏㄱㅈ")
        await until_text(pilot, ">UPBIT:XRPKRW")


async def test_garbage_in_the_state_file_is_skipped(tui_home: Path) -> None:
    """설정 파일의 심볼이 망가졌어도 첫 단계가 열린다."""
    body = {"recent_symbols": ["", "x", "[red]:[/", "\ud800:BTC", "binance:ethusdt"]}
    (tui_home / "screen.json").write_text(json.dumps(body), encoding="utf-8")
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(SymbolScreen(demo(picked="")))
        await until_text(pilot, ">BINANCE:ETHUSDT")


async def test_period_beyond_the_cache_is_told(tui_home: Path) -> None:
    """캐시보다 넓은 기간을 고르고 거래소에 닿지 못하면 까닭을 말하고 막는다. 합성 데모로 바꾸지 않는다."""
    write_cache(tui_home, "BINANCE:ETHUSDT", "binance_ethusdt")
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(
            SymbolScreen(demo(symbol="BINANCE:ETHUSDT", picked="BINANCE:ETHUSDT"))
        )
        await until_text(pilot, "캐시의 캔들을 씁니다")
        await pilot.press("tab")
        await type_text(pilot, "20240101")
        await until_text(pilot, "YYYY-MM-DD로 씁니다")
        await pilot.press("ctrl+u")
        await type_text(pilot, "2023-12-01")
        await until_text(pilot, "고른 기간이 캐시에 다 있지 않고")
        await pilot.press("enter")
        assert screen_name(app) == "SymbolScreen"
        await pilot.press("ctrl+u")
        await type_text(pilot, "2024-01-01")
        await until_text(pilot, "캐시의 캔들을 씁니다")
        await pilot.press("ctrl+u")
        await type_text(pilot, "2999-01-01")
        await until_text(pilot, "아직 오지 않았습니다")


async def test_demo_and_a_file_do_not_mix(tui_home: Path) -> None:
    """실행이 거절할 짝은 여기서 막는다."""
    (tui_home / "c.csv").write_text("x")
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(SymbolScreen(demo()))
        await pilot.press("tab", "tab", "tab")
        await type_text(pilot, "c.csv")
        await until_text(pilot, "캔들 파일과 함께 쓸 수 없습니다")
        await pilot.press("enter")
        assert screen_name(app) == "SymbolScreen"


async def test_a_wrong_field_is_focused(tui_home: Path) -> None:
    """Enter를 누르면 틀린 칸으로 간다: 작은 창에서도 어디를 고칠지 안다."""
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(SymbolScreen(demo()))
        for moves, text, wrong in ((2, "2024-13-01", "end"), (1, "x", "start")):
            app.screen.query_one("#symbol-filter").focus()
            await pilot.press(*("tab",) * moves)
            await type_text(pilot, text)
            await pilot.press("shift+tab", "enter")
            await until(
                pilot, lambda wrong=wrong: app.focused is not None and app.focused.id == wrong
            )
        await pilot.press("ctrl+u", "tab", "ctrl+u", "tab")
        await type_text(pilot, "/없는.csv")
        await pilot.press("up", "enter")
        await until(pilot, lambda: app.focused is not None and app.focused.id == "file")
        assert screen_name(app) == "SymbolScreen"
