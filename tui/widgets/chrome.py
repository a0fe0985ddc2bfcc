"""화면의 테두리: 머리줄, 글쇠를 보이는 아래줄, 창이 작다는 알림."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.dom import NoScreen
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

from tui.cells import cut, plain
from tui.commands import key_name
from tui.text import common as ko

# 아래줄에 보일 것 하나: (글쇠, 지금 쓸 수 있는가).
Shown = tuple[Binding, bool]


class TopBar(Widget):
    """머리줄: 앱 이름과 화면의 자리, 오른쪽 끝에 알릴 것(합성 데모 따위)."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "top-bar--name",
        "top-bar--path",
        "top-bar--badge",
        "top-bar--note",
    }
    path: reactive[tuple[str, ...]] = reactive(())
    badge: reactive[str] = reactive("")
    note: reactive[str] = reactive("")

    def render(self) -> Text:
        width = self.content_size.width
        name = self.get_component_rich_style("top-bar--name")
        badge_text = f" {plain(self.badge)} " if self.badge else ""
        note_text = plain(self.note)
        right = cell_len(badge_text) + cell_len(note_text) + (1 if badge_text and note_text else 0)
        room = max(0, width - right - 1)
        left = Text(no_wrap=True, end="")
        left.append(cut(ko.APP_NAME, room), name)
        parts = [f"  /  {plain(part)}" for part in self.path]
        trail = "".join(parts)
        if cell_len(trail) > room - left.cell_len:
            # 좁으면 지금 자리(마지막)만.
            trail = "".join(parts[-1:])
        trail = cut(trail, room - left.cell_len)
        left.append(trail, self.get_component_rich_style("top-bar--path"))
        left.append(" " * max(0, width - right - left.cell_len))
        left.append(note_text, self.get_component_rich_style("top-bar--note"))
        if badge_text and note_text:
            left.append(" ")
        left.append(badge_text, self.get_component_rich_style("top-bar--badge"))
        return left


class KeyBar(Footer):
    """아래줄. 들어가는 만큼만 보이며 도움말은 늘 보인다."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)
        self._drawn: list[Shown] | None = None

    async def recompose(self) -> None:
        """보일 것이 그대로면 다시 만들지 않는다: 글쇠마다 위젯이라, 초점이 바뀔 때마다 만들면 화면이 늦게 열린다."""
        try:
            items = self._items()
        except NoScreen:
            return  # 미뤄 둔 사이에 화면이 닫혔다
        if self._drawn != items:
            await super().recompose()

    def compose(self) -> ComposeResult:
        if not self._bindings_ready:
            return
        self._drawn = self._items()
        for binding, enabled in self._drawn:
            key = FooterKey(
                binding.key,
                _key_text(binding),
                binding.description,
                binding.action,
                disabled=not enabled,
                tooltip=binding.tooltip,
            )
            key.compact = False
            yield key

    def _items(self) -> list[Shown]:
        """지금 보일 것들."""
        chosen: dict[tuple[str, object], Shown] = {}
        for active in self.screen.active_bindings.values():
            action = active.binding.action
            if active.binding.show:
                # 같은 이름이어도 칸의 것(값 바꾸기)과 화면의 것(다음 단계)은 다른 일이다.
                owner = None if action.startswith("app.") else active.node
                chosen.setdefault((action, owner), (active.binding, active.enabled))
        return _fitting(self._ordered(chosen), self.content_size.width)

    def _ordered(self, chosen: Mapping[tuple[str, object], Shown]) -> list[Shown]:
        """Enter로 이어지는 길이 맨 앞, 화면의 것, 앱의 것(앱에 적힌 차례)."""
        ours = [binding.id for binding in type(self.app).BINDINGS if isinstance(binding, Binding)]

        def place(item: Shown) -> tuple[bool, int]:
            binding, _ = item
            return binding.key != "enter", ours.index(binding.id) + 1 if binding.id in ours else 0

        return sorted(chosen.values(), key=place)

    def on_resize(self) -> None:
        if self._bindings_ready:
            self.call_after_refresh(self.recompose)


def _key_text(binding: Binding) -> str:
    return binding.key_display or key_name(binding.key)


def _cost(binding: Binding) -> int:
    """FooterKey 하나의 칸 수: 글쇠 양옆 한 칸씩, 말 뒤 한 칸."""
    return cell_len(_key_text(binding)) + 2 + cell_len(binding.description) + 1


def _fitting(items: list[Shown], width: int) -> list[Shown]:
    kept = [item for item in items if item[0].id == "app.help"]
    room = width - sum(_cost(binding) for binding, _ in kept)
    shown: list[Shown] = []
    for item in items:
        if item in kept:
            continue
        room -= _cost(item[0])
        if room < 0:
            break
        shown.append(item)
    return [*shown, *kept]


class TooSmall(Widget):
    """창이 작을 때 화면 대신 보이는 알림."""

    def render(self) -> Text:
        size = self.app.size
        now = ko.TOO_SMALL_NOW.format(width=size.width, height=size.height)
        return Text("\n".join((ko.TOO_SMALL_TITLE, ko.TOO_SMALL, now)), overflow="fold")
