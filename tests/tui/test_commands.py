"""모든 화면의 명령: 한국어 이름과 설명, 겹치지 않는 글쇠, 한글 자판의 낱자."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tui import screens
from tui.app import COMMANDS
from tui.commands import Command
from tui.hangul import jamo_of
from tui.screens.base import BaseModal, BaseScreen

HANGUL = re.compile("[가-힣]")


def _kinds() -> Iterator[type]:
    for path in sorted(Path(str(screens.__file__)).parent.glob("*.py")):
        __import__(f"tui.screens.{path.stem}")
    waiting: list[type] = [BaseScreen, BaseModal]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("tui.screens."):
            yield kind


KINDS = {kind.__name__: kind for kind in _kinds()}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_commands_are_korean_and_listen_to_both_keyboards(name: str) -> None:
    """로마자 한 글자의 글쇠는 두벌식의 같은 자리 낱자도 듣고, 한 화면에서 글쇠가 겹치지 않는다."""
    commands: tuple[Command, ...] = KINDS[name].COMMAND_LIST
    used: Counter[str] = Counter()
    for command in commands:
        assert HANGUL.search(command.label), command
        assert HANGUL.search(command.help), command
        keys = command.binding().key.split(",") if command.keys else []
        used.update(keys)
        for key in command.keys.split(","):
            if len(key) == 1 and key.isascii() and key.isalpha():
                assert jamo_of(key) in keys, command
    assert [key for key, count in used.items() if count > 1] == []


def test_letters_never_fight_the_application() -> None:
    """앱의 글쇠는 F-글쇠와 Ctrl뿐이다: 글을 치는 동안 듣지 않을 글자는 쓰지 않는다."""
    for command in COMMANDS:
        for key in filter(None, command.keys.split(",")):
            assert key.startswith(("f", "ctrl+")), command
        assert HANGUL.search(command.help), command


def test_ids_name_one_action() -> None:
    """같은 id는 어디서나 같은 일이다(글쇠를 바꾸는 설정이 헷갈리지 않게)."""
    actions: dict[str, str] = {}
    for kind in KINDS.values():
        for command in kind.COMMAND_LIST:
            assert actions.setdefault(command.id, command.action) == command.action, command
