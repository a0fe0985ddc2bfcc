"""마법사 단계들의 뼈대: 단계 표시, 다음·뒤로, 초안 나누기, 미뤄 둔 일의 취소."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Input, Static

from tui.commands import Command
from tui.draft import Draft
from tui.screens.base import BaseScreen, begin
from tui.text import common
from tui.text import wizard as ko

DEBOUNCE_SECONDS = 0.4
NEXT = Command("wizard.next", "enter", "next", *ko.NEXT)
BACK = Command("wizard.back", "escape", "back", *ko.BACK)
FIELD_MOVES = (
    Command(
        "wizard.up", "up", "move(-1)", *common.PREVIOUS_FIELD, in_footer=False, in_palette=False
    ),
    Command(
        "wizard.down", "down", "move(1)", *common.NEXT_FIELD, in_footer=False, in_palette=False
    ),
    Command("wizard.page_up", "pageup", "scroll_body(-1)", *ko.SCROLL_UP, in_footer=False,
            in_palette=False),
    Command("wizard.page_down", "pagedown", "scroll_body(1)", *ko.SCROLL_DOWN, in_footer=False,
            in_palette=False),
)  # fmt: skip


class StepBar(Widget):
    """`1 심볼  2 시간 격자 …`. 지금 단계만 도드라진다."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "step-bar--done",
        "step-bar--current",
        "step-bar--future",
    }

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def render(self) -> Text:
        """모두 들어가지 않으면 다른 단계는 번호만 보인다."""
        width = self.content_size.width
        whole = self._steps(ko.STEPS)
        if whole.cell_len <= width:
            return whole
        return self._steps([name if i == self.index else "" for i, name in enumerate(ko.STEPS)])

    def _steps(self, names: Sequence[str]) -> Text:
        text = Text(no_wrap=True, end="", overflow="ellipsis")
        for number, name in enumerate(names):
            state = (
                "current" if number == self.index else "done" if number < self.index else "future"
            )
            style = self.get_component_rich_style(f"step-bar--{state}")
            text.append(f" {number + 1} {name} " if name else f" {number + 1} ", style)
            text.append(" ")
        text.right_crop()
        return text


class StepScreen(BaseScreen[None]):
    """단계 하나. 하위 클래스는 `compose_step`과 `accept`를 준다."""

    INDEX: ClassVar[int] = 0
    QUESTION: ClassVar[str] = ""
    COMMAND_LIST: ClassVar[tuple[Command, ...]] = (NEXT, BACK)

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self.draft = draft
        self._turn = asyncio.Lock()

    def compose_body(self) -> ComposeResult:
        yield StepBar(self.INDEX)
        yield Static(self.QUESTION, classes="question")
        yield from self.compose_step()

    def compose_step(self) -> ComposeResult:
        """단계의 속. 하위 클래스가 준다."""
        yield from ()

    def on_mount(self) -> None:
        super().on_mount()
        self.top_bar.path = (ko.PATH, ko.STEPS[self.INDEX])
        self.top_bar.note = ko.STEP_OF.format(index=self.INDEX + 1, total=len(ko.STEPS))
        self.show_badge()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.show_badge()

    def on_screen_suspend(self) -> None:
        """화면을 떠나면 하던 시험을 그만둔다."""
        self.workers.cancel_node(self)

    def show_badge(self) -> None:
        """합성 데모이면 머리줄에 밝힌다."""
        self.top_bar.badge = common.DEMO if self.draft.is_demo else ""

    def debounce(
        self, work: Callable[[], Coroutine[Any, Any, None]], seconds: float = DEBOUNCE_SECONDS
    ) -> None:
        """잠시 뒤에 work를 한다. 그사이에 또 부르면 앞의 것은 취소된다.

        취소된 것이 자식을 거두어야 다음 것이 시작하므로 둘이 함께 돌지 않는다.
        """

        async def wait_and_work() -> None:
            await asyncio.sleep(seconds)
            async with self._turn:
                await work()

        begin(self, wait_and_work, "test")

    def action_next(self) -> None:
        """이 단계를 받아들이고 다음으로. 받아들일 수 없으면 까닭을 알리고 머문다."""
        self.accept()

    def accept(self) -> None:
        """고른 것을 초안에 적고 다음 화면을 연다. 하위 클래스가 준다."""

    def keep(self) -> str:
        """떠나기 전에 고른 것을 초안에 적는다. 틀린 칸은 적지 않고 그 까닭을 준다. 하위 클래스가 준다."""
        return ""

    def action_back(self) -> None:
        """앞 단계로. 돌아오면 고른 것이 그대로 있다."""
        self.keep()
        super().action_back()

    def action_move(self, step: int) -> None:
        """앞뒤 칸으로."""
        if step < 0:
            self.focus_previous()
        else:
            self.focus_next()

    def action_scroll_body(self, step: int) -> None:
        """낮은 창에서 아래에 가려진 것을 본다."""
        body = self.query_one("#body")
        body.scroll_relative(y=step * max(1, body.size.height - 1), animate=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_next()
