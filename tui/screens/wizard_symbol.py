"""1단계: 심볼과 캔들의 출처."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from tui import bridge
from tui.cells import plain
from tui.commands import Command
from tui.draft import Draft
from tui.hangul import as_letters, matches
from tui.machine import has_ccxt
from tui.periods import day_ms, days_of, period_problem, shown_period
from tui.screens.wizard_base import BACK, FIELD_MOVES, NEXT, StepScreen
from tui.text import common, symbols
from tui.text import wizard as ko
from tui.widgets.fields import TextField
from tui.widgets.row_table import Column, Row, RowTable

_DOWNLOADABLE = ("BINANCE", "UPBIT")
_TONES = {
    "cached": "good",
    "file": "good",
    "download": "good",
    "unreachable": "warn",
    "demo": "warn",
    "unknown": "bad",
    "invalid": "bad",
    "short": "bad",
}
_DAY_MS = 86_400_000


class SymbolScreen(StepScreen):
    """글 칸에 초점을 둔 채 위·아래로 목록을 고른다."""

    INDEX = 0
    QUESTION = ko.SYMBOL_QUESTION
    HELP_TEXT = ko.SYMBOL_HELP
    COMMAND_LIST = (
        NEXT,
        BACK,
        Command("symbol.retest", "f5", "retest", *ko.RETEST),
        *FIELD_MOVES,
    )

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._cached = {item.symbol: item for item in bridge.cached_symbols()}
        # (거래소, 무기한) → (닿음, 까닭)
        self._reachable: dict[tuple[str, bool], tuple[bool, str]] = {}
        self._waiting = False

    def compose_step(self) -> ComposeResult:
        titles = ko.SYMBOL_COLUMNS
        with Horizontal(classes="field-row"):
            yield Label(ko.SYMBOL_FILTER, classes="field-label")
            yield TextField(placeholder=ko.SYMBOL_PLACEHOLDER, id="symbol-filter", classes="wide")
        yield RowTable(
            [
                Column(titles[0], 20),
                Column(titles[1], 0, min_width=12),
                Column(titles[2], 9),
                Column(titles[3], 24, priority=1),
            ],
            driven=True,
            empty=ko.NO_MATCH,
            id="symbol-list",
        )
        with Vertical(classes="fields"):
            with Horizontal(classes="field-row"):
                yield Label(ko.PERIOD_FIELD, classes="field-label")
                yield TextField(
                    self.draft.start, placeholder=ko.START_PLACEHOLDER, id="start", max_length=10
                )
                yield TextField(
                    self.draft.end, placeholder=ko.END_PLACEHOLDER, id="end", max_length=10
                )
                yield Label(ko.PERIOD_HINT, classes="field-hint")
            with Horizontal(classes="field-row"):
                yield Label(ko.FILE_FIELD, classes="field-label")
                yield TextField(
                    self.draft.data_file, placeholder=ko.FILE_HINT, id="file", classes="wide"
                )
        with Vertical(classes="panel", id="source"):
            yield Static("", id="source-line", markup=False)
            yield Static("", id="source-detail", classes="muted", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        recent = self._recent()
        self._show("", key=self.draft.picked or (recent[0] if recent else self.draft.symbol))
        self.query_one("#symbol-filter").focus()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self._cached = {item.symbol: item for item in bridge.cached_symbols()}
        self._refresh_source(0)

    # ── 목록

    def _show(self, query: str, key: str | None = None) -> None:
        groups = self._groups()
        rows: list[Row] = []
        if query.strip():
            rows = self._matching(query, [item for _, group in groups for item in group])
        else:
            for title, group in groups:
                if group:
                    rows.append(Row(f"heading-{title}", (title,), heading=True))
                    rows += [self._row(symbol, name) for symbol, name in group]
        self.query_one(RowTable).set_rows(rows, key=key if key is not None else "")
        self._refresh_source()

    def _matching(self, query: str, known: list[tuple[str, str]]) -> list[Row]:
        """거른다. 맞는 것이 없으면 한글 자판이 켜진 채 로마자를 친 것으로 본다(`ㅠㅅㅊ`)."""
        return self._found(query, known) or self._found(as_letters(query), known)

    def _found(self, query: str, known: list[tuple[str, str]]) -> list[Row]:
        """거르고, 똑같이 입력한 심볼(목록에 없어도 된다)을 맨 앞에 둔다."""
        free = _canonical(query)
        found = [
            (symbol, name)
            for symbol, name in known
            if matches(query, f"{symbol} {name} {_market(symbol)}")
        ]
        if free and free not in {symbol for symbol, _ in known}:
            found.insert(0, (free, ko.FREE_ENTRY))
        found.sort(key=lambda item: item[0] != free)
        return [self._row(symbol, name) for symbol, name in found]

    def _recent(self) -> list[str]:
        """최근에 실행한 심볼들. 설정 파일의 읽을 수 없는 것은 뺀다."""
        return list(filter(None, map(_canonical, self.wizard.settings.recent_symbols)))

    def _groups(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """최근 → 캐시에 있는 것 → 함께 온 목록. 심볼은 한 번씩만 나온다."""
        names = dict(symbols.CATALOG)
        recent = dict.fromkeys(self._recent())
        cached = [symbol for symbol in self._cached if symbol not in recent]
        rest = [
            symbol
            for symbol in dict.fromkeys((self.draft.symbol, *names))
            if symbol not in recent and symbol not in cached
        ]
        return [
            (title, [(symbol, names.get(symbol, "")) for symbol in group])
            for title, group in (
                (ko.GROUP_RECENT, recent),
                (ko.GROUP_CACHED, cached),
                (ko.GROUP_CATALOG, rest),
            )
        ]

    def _row(self, symbol: str, name: str) -> Row:
        cached = self._cached.get(symbol)
        period = days_of(cached.start_ms, cached.end_ms) if cached else ko.NO_CACHE
        tone = "good" if cached else "muted"
        return Row(symbol, (symbol, name, _market(symbol), period), ("", "", "muted", tone))

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "symbol-filter":
            self._show(event.value)
        else:
            self._refresh_source()

    def on_row_table_highlighted(self) -> None:
        self._refresh_source()

    def on_row_table_clicked(self) -> None:
        self.action_next()

    def action_move(self, step: int) -> None:
        """찾기 칸에서는 목록의 위·아래, 다른 칸에서는 앞뒤 칸으로."""
        if self.focused is None or self.focused.id == "symbol-filter":
            table = self.query_one(RowTable)
            if step < 0:
                table.action_cursor_up()
            else:
                table.action_cursor_down()
        else:
            super().action_move(step)

    # ── 출처

    @property
    def symbol(self) -> bridge.Symbol | None:
        """지금 고른 심볼."""
        row = self.query_one(RowTable).current
        known = _canonical(row.key) if row else ""
        return bridge.parse_symbol(known) if known else None

    def _text(self, name: str) -> str:
        return self.query_one(f"#{name}", TextField).value.strip()

    def _state(self) -> tuple[str, str, str]:
        """(상태 이름, 한 줄, 덧붙일 말)."""
        problem = period_problem(self._text("start"), self._text("end"))
        if problem:
            return "invalid", problem, ""
        symbol = self.symbol
        if symbol is None:
            return "unknown", ko.NO_MATCH, ""
        path = _file(self._text("file"))
        if path is not None:
            if not os.path.isfile(path):
                return "invalid", ko.SOURCE_FILE_MISSING.format(path=path), ""
            if symbol.is_demo:
                return "invalid", ko.SOURCE_DEMO_FILE, ""
            return "file", ko.SOURCE_FILE, str(path)
        if symbol.is_demo:
            return "demo", ko.SOURCE_DEMO, ""
        cached = self._cached.get(str(symbol))
        if cached is None:
            return self._from_exchange(symbol, "")
        period = days_of(cached.start_ms, cached.end_ms)
        if self._is_held(cached.start_ms, cached.end_ms):
            part = shown_period(self._text("start"), self._text("end"), period)
            line = ko.SOURCE_CACHED.format(period=period, bars=cached.bars)
            if part != period:
                line = ko.SOURCE_CACHED_PART.format(part=part, period=period)
            return "cached", line, cached.source
        return self._from_exchange(symbol, period)

    def _is_held(self, first_ms: int, last_ms: int) -> bool:
        """고른 기간이 캐시의 [first_ms, last_ms) 안에 있는가. 끝 날짜는 그날을 넣지 않는다."""
        start, end = (day_ms(self._text(name)) for name in ("start", "end"))
        return (start is None or first_ms - first_ms % _DAY_MS <= start < last_ms) and (
            end is None or first_ms < end < last_ms + _DAY_MS
        )

    def _from_exchange(self, symbol: bridge.Symbol, held: str) -> tuple[str, str, str]:
        """캐시에 없을 때의 (상태, 한 줄, 덧붙일 말). held: 캐시에 있는 기간, 없으면 빈 글."""
        exchange = symbols.EXCHANGE_NAMES.get(symbol.exchange, symbol.exchange)
        if symbol.exchange not in _DOWNLOADABLE:
            if has_ccxt():
                return "download", ko.SOURCE_CCXT.format(exchange=exchange), ""
            return "unknown", ko.SOURCE_UNKNOWN_EXCHANGE.format(exchange=exchange), ""
        answer = self._reachable.get((symbol.exchange, symbol.is_perpetual))
        if self.draft.offline:
            answer = (False, ko.OFFLINE)
        if answer is None:
            return "probing", ko.SOURCE_PROBING.format(exchange=exchange), ""
        reachable, reason = answer
        detail = ko.SOURCE_UNREACHABLE_DETAIL.format(reason=reason)
        if reachable and held:
            return "download", ko.SOURCE_DOWNLOAD_REST.format(period=held, exchange=exchange), ""
        if reachable:
            period_given = self._text("start") or self._text("end")
            line = ko.SOURCE_DOWNLOAD_PERIOD if period_given else ko.SOURCE_DOWNLOAD
            return "download", line.format(exchange=exchange), ""
        if held:
            # 진짜 캔들이 있는데 기간 때문에 합성 데모로 가지는 않는다.
            return "short", ko.SOURCE_SHORT.format(period=held, exchange=exchange), detail
        return "unreachable", ko.SOURCE_UNREACHABLE.format(exchange=exchange), detail

    def _refresh_source(self, delay: float | None = None) -> None:
        if not self.is_mounted:
            return
        state, line, detail = self._state()
        source = self.query_one("#source-line", Static)
        source.set_classes(_TONES.get(state, ""))
        source.update(plain(line))
        self.query_one("#source-detail", Static).update(
            ko.WAIT_PROBE if self._waiting and state == "probing" else plain(detail)
        )
        self.top_bar.badge = common.DEMO if state == "demo" else ""
        symbol = self.symbol
        if state == "probing" and symbol is not None:
            if delay is None:
                self.debounce(partial(self._probe, symbol))
            else:
                self.debounce(partial(self._probe, symbol), delay)
        elif state != "probing":
            self._waiting = False
            self.workers.cancel_group(self, "test")

    async def _probe(self, symbol: bridge.Symbol) -> None:
        answer = await bridge.probe_exchange(str(symbol))
        self._reachable[(symbol.exchange, symbol.is_perpetual)] = answer
        go_on = self._waiting and answer[0] and symbol == self.symbol
        self._refresh_source()
        if go_on:
            self.accept()

    def action_retest(self) -> None:
        """거래소에 닿는지 다시 본다."""
        self._reachable.clear()
        self._refresh_source(0)

    # ── 다음

    def keep(self) -> str:
        """심볼, 기간, 파일을 적는다(실행할 심볼은 다음으로 갈 때 정해진다)."""
        problem = period_problem(self._text("start"), self._text("end"))
        if not problem:
            self.draft.start, self.draft.end = self._text("start"), self._text("end")
        path = _file(self._text("file"))
        self.draft.data_file = str(path) if path is not None and os.path.isfile(path) else ""
        self.draft.picked = str(self.symbol or self.draft.picked)
        return problem

    def _wrong_field(self) -> str:
        """틀린 칸."""
        start, end = self._text("start"), self._text("end")
        if not period_problem(start, end):
            return "file"
        return "start" if period_problem(start, "") else "end"

    def accept(self) -> None:
        """닿지 않고 캐시도 없으면 합성 데모로 간다(화면이 이미 그렇게 알렸다)."""
        state, line, path = self._state()
        symbol = self.symbol
        if symbol is None or state in ("invalid", "unknown", "short"):
            self.wizard.toast(line, severity="warning")
            if state == "invalid":
                self.query_one(f"#{self._wrong_field()}").focus()
            return
        if state == "probing":
            self._waiting = True
            self._refresh_source(0)
            return
        to_demo = state == "unreachable"
        self.draft.symbol = f"DEMO:{symbol.ticker}" if to_demo else str(symbol)
        self.draft.data_note = ko.SOURCE_DEMO if to_demo else line
        if state == "file":
            self.draft.data_note = ko.SOURCE_FILE_NAMED.format(path=path)
        self.keep()
        from tui.screens.wizard_grid import GridScreen

        self.app.push_screen(GridScreen(self.draft))


def _canonical(query: str) -> str:
    """심볼이면 그 바른 표기, 아니면 빈 글."""
    try:
        return str(bridge.parse_symbol(query))
    except bridge.SymbolError:
        return ""


def _file(text: str) -> Path | None:
    """적은 캔들 파일의 절대 경로: 사용자가 선 폴더에서, 없으면 프로젝트에서. 비었으면 None."""
    if not text:
        return None
    path = bridge.expanded(text)
    # 너무 긴 이름에도 예외가 없는 것을 쓴다: 치는 동안 무엇이든 올 수 있다.
    return path.absolute() if os.path.isfile(path) else bridge.home() / path


def _market(symbol: str) -> str:
    if symbol.startswith("DEMO:"):
        return symbols.SYNTHETIC
    return symbols.PERPETUAL if symbol.endswith(".P") else symbols.SPOT
