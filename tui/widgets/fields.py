"""글 칸과 값 고르기. 글쇠의 설명이 한국어이고, 단말기의 커서가 글이 이어질 자리에 놓인다."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.actions import SkipAction
from textual.geometry import Offset
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input

from tui.cells import cut, fit, plain, printable
from tui.commands import Command, bindings
from tui.text import common as ko

_EDIT_KEYS = {
    "cursor_left": "left",
    "cursor_right": "right",
    "cursor_left_word": "ctrl+left",
    "cursor_right_word": "ctrl+right",
    "home": "home,ctrl+a",
    "end": "end,ctrl+e",
    "cursor_left(True)": "shift+left",
    "cursor_right(True)": "shift+right",
    "delete_left": "backspace",
    "delete_right": "delete",
    "delete_left_word": "ctrl+w",
    "delete_left_all": "ctrl+u",
    "delete_right_all": "ctrl+k",
    "select_all": "ctrl+shift+a",
    "cut": "ctrl+x",
    "copy": "ctrl+c",
    "paste": "ctrl+v",
}
_EDIT_COMMANDS = tuple(
    Command(
        f"field.{action}", keys, action, ko.FIELD_KEYS[action], ko.FIELD_KEYS[action],
        in_footer=False, in_palette=False,
    )
    for action, keys in _EDIT_KEYS.items()
)  # fmt: skip


class TextField(Input, inherit_bindings=False):
    """한 줄의 글 칸. Enter는 화면이 받는다(다음 단계로).

    여러 줄을 붙여 넣으면 joint로 이어 한 줄이 된다.
    """

    BINDINGS: ClassVar = bindings(_EDIT_COMMANDS)

    def __init__(
        self,
        value: str = "",
        *,
        placeholder: str = "",
        password: bool = False,
        restrict: str | None = None,
        max_length: int = 0,
        joint: str = " ",
        id: str | None = None,  # noqa: A002 — Textual의 이름
        classes: str | None = None,
    ) -> None:
        super().__init__(
            value,
            placeholder=placeholder,
            password=password,
            restrict=restrict,
            max_length=max_length or 0,
            compact=True,
            select_on_focus=False,
            id=id,
            classes=classes,
        )
        self._joint = joint
        self._hint = placeholder
        # 깜박이는 칸은 화면을 쉼 없이 다시 그려 조합 중인 한글을 흩뜨린다.
        self.cursor_blink = False

    @property
    def cursor_screen_offset(self) -> Offset:
        """다음 글자가 들어갈 자리. Input은 글의 끝에서 한 칸 오른쪽을 준다."""
        x, y, _, _ = self.content_region
        return Offset(
            x + self._position_to_cell(self.cursor_position) - int(self.scroll_offset.x), y
        )

    @property
    def _value(self) -> Text:
        """보일 글. 가린 글자는 별표다: Input의 것(U+2022)은 두 칸으로 그려지는 단말기가 있다."""
        if not self.password:
            return super()._value
        return Text("*" * len(self.value), no_wrap=True, overflow="ignore", end="")

    def _position_to_cell(self, position: int) -> int:
        return position if self.password else super()._position_to_cell(position)

    def on_resize(self) -> None:
        # Input은 들어가지 않는 풀이를 말없이 자른다.
        self.placeholder = cut(self._hint, self.content_size.width)
        self._place_caret()

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        """긴 글이 굴러간 뒤의 자리로 옮긴다. Input은 굴리기 전의 자리에 둔다."""
        super().watch_scroll_x(old_value, new_value)
        self._place_caret()

    def _place_caret(self) -> None:
        if self.has_focus:
            self.app.cursor_position = self.cursor_screen_offset

    # ── 붙여 넣기와 복사

    def on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        self._insert(event.text)

    def action_paste(self) -> None:
        """앱의 클립보드에서 붙여 넣는다."""
        self._insert(self.app.clipboard)

    def _insert(self, text: str) -> None:
        lines = [printable(line).strip() for line in text.splitlines()]
        self.replace(self._joint.join(filter(None, lines)), *self.selection)

    def action_copy(self) -> None:
        """고른 글을 복사한다. 가린 글은 밖으로 내지 않는다."""
        if self.password:
            raise SkipAction
        super().action_copy()

    def action_cut(self) -> None:
        """고른 글을 잘라 낸다. 가린 글은 지우기만 한다."""
        if self.password:
            self.delete_selection()
        else:
            super().action_cut()


class Choice(Widget, can_focus=True):
    """여럿 가운데 하나를 왼쪽·오른쪽 글쇠로 고르는 한 줄."""

    BINDINGS: ClassVar = bindings(
        (
            Command("choice.previous", "left", "previous", *ko.CHOICE_PREVIOUS,
                    in_footer=False, in_palette=False),
            Command("choice.next", "space,right", "next", *ko.CHOICE_NEXT, in_palette=False),
        )
    )  # fmt: skip
    value: reactive[str] = reactive("")

    @dataclass
    class Changed(Message):
        """다른 값을 골랐다."""

        choice: Choice
        value: str

        @property
        def control(self) -> Choice:
            return self.choice

    def __init__(
        self,
        options: Mapping[str, str],
        value: str,
        *,
        id: str | None = None,  # noqa: A002 — Textual의 이름
    ) -> None:
        """options: 값 → 보일 말."""
        super().__init__(id=id)
        self.options = dict(options)
        self.set_reactive(Choice.value, value if value in self.options else next(iter(options)))

    def render(self) -> Text:
        label = plain(self.options[self.value])
        width = self.content_size.width
        arrows = "< ", " >"
        inner = fit(label, max(0, width - 4)).rstrip()
        return Text(f"{arrows[0]}{inner}{arrows[1]}", no_wrap=True, end="")

    def action_previous(self) -> None:
        self._move(-1)

    def action_next(self) -> None:
        self._move(1)

    def on_click(self) -> None:
        self._move(1)

    def _move(self, step: int) -> None:
        keys = list(self.options)
        self.value = keys[(keys.index(self.value) + step) % len(keys)]
        self.post_message(self.Changed(self, self.value))
