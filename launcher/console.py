"""사람에게 보이는 글. locale이 무엇이든 UTF-8로 읽고 쓴다."""

import os

STDOUT, STDERR = 1, 2


def say(text: str, to: int = STDERR) -> None:
    """한 덩이의 글을 줄바꿈을 붙여 쓴다. stdout은 넘겨받을 명령의 것이므로 기본은 stderr다."""
    os.write(to, (text + "\n").encode("utf-8", "replace"))


def repaint(text: str) -> None:
    """터미널의 지금 줄을 지우고 다시 쓴다."""
    os.write(STDERR, b"\r\x1b[K" + text.encode("utf-8", "replace"))


def shown(text: str) -> str:
    """운영체제에서 온 경로나 인자를 사람에게 보일 글로 푼다."""
    return os.fsencode(text).decode("utf-8", "replace")
