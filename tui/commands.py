"""명령 하나의 정의에서 글쇠·도움말·아래줄·명령 목록이 모두 나온다.

로마자 한 글자의 글쇠는 두벌식 자판의 같은 자리 낱자에도 저절로 묶인다
(자판이 한글이면 `q`가 `ㅂ`으로 온다).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual.binding import Binding, BindingType

from tui.hangul import jamo_of
from tui.text.common import KEY_NAMES


@dataclass(frozen=True, slots=True)
class Command:
    """사용자가 할 수 있는 일 하나.

    id: 앱 전체에서 하나뿐인 이름. keys: `f2,n`처럼 쉼표로 이은 글쇠, 빈 글이면 명령 목록에만 있다.
    action: Textual의 action. label: 아래줄의 짧은 말. help: 도움말과 명령 목록의 한 문장.
    in_footer: 아래줄에 보일지. in_palette: 명령 목록에 보일지. priority: 초점보다 먼저 듣는지.
    """

    id: str
    keys: str
    action: str
    label: str
    help: str
    in_footer: bool = True
    in_palette: bool = True
    priority: bool = False

    def binding(self) -> Binding:
        """Textual의 Binding."""
        return Binding(
            self._all_keys(),
            self.action,
            self.label,
            show=self.in_footer,
            key_display=self.key_label,
            priority=self.priority,
            tooltip=self.help,
            id=self.id,
        )

    @property
    def key_label(self) -> str:
        """사람에게 보이는 글쇠(첫 글쇠). 없으면 빈 글."""
        return key_name(self.keys.split(",")[0]) if self.keys else ""

    def _all_keys(self) -> str:
        keys = self.keys.split(",")
        return ",".join([*keys, *(jamo for key in keys if (jamo := jamo_of(key)))])


def bindings(commands: Iterable[Command]) -> list[BindingType]:
    """글쇠가 있는 명령들의 BINDINGS."""
    return [command.binding() for command in commands if command.keys]


def key_name(key: str) -> str:
    """글쇠를 사람이 읽는 이름으로: `f1` → F1, `ctrl+p` → Ctrl+P."""
    if key in KEY_NAMES:
        return KEY_NAMES[key]
    *modifiers, last = key.split("+")
    names = [modifier.capitalize() for modifier in modifiers]
    shown = KEY_NAMES.get(last, last.upper() if last[:1] == "f" and last[1:].isdigit() else last)
    if modifiers and len(shown) == 1:
        shown = shown.upper()
    return "+".join([*names, shown])
