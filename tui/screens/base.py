"""모든 화면의 뼈대: 머리줄, 몸, 아래줄, 창이 작을 때의 알림."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.worker import WorkType

from tui.commands import Command, bindings
from tui.text import common as ko
from tui.widgets.chrome import KeyBar, TooSmall, TopBar
from tui.widgets.glyphs import GlyphCompositor

if TYPE_CHECKING:
    from tui.app import WizardApp

ResultT = TypeVar("ResultT")
# 이보다 좁으면 덜 중요한 것을 줄인다.
NARROW_WIDTH = 100
# 이보다 좁으면 이름표와 칸을 줄여 풀이에 자리를 준다.
TIGHT_WIDTH = 76

BACK = Command("screen.back", "escape", "back", *ko.BACK)
CLOSE = Command("modal.close", "escape", "close", *ko.CLOSE)
# 초점보다 먼저 듣는다: 초점이 옮겨 간 뒤에 다음 글자를 받아야, 빨리 쳐도 앞 칸에 들어가지 않는다.
_FIELD_MOVES = (
    Command("screen.next_field", "tab", "app.focus_next", *ko.NEXT_FIELD,
            in_footer=False, in_palette=False, priority=True),
    Command("screen.previous_field", "shift+tab", "app.focus_previous", *ko.PREVIOUS_FIELD,
            in_footer=False, in_palette=False, priority=True),
)  # fmt: skip


def begin(node: DOMNode, work: WorkType[None], group: str) -> None:
    """뒤에서 work를 시작한다. 같은 group의 앞의 것은 취소된다.

    coroutine이 아니라 함수를 받는다: 시작하기 전에 취소되어도 버려진 coroutine이 없다.
    """
    node.run_worker(work, group=group, exclusive=True)


def stop_work(screen: DOMNode) -> None:
    """떠나는 화면의 뒤의 일을, 자식이 사라지기 전에 멈춘다.

    Textual은 자식이 모두 떠난 다음에 취소하므로, 그 사이에 깨어난 일이 없는 widget을 찾아 앱이 멈춘다.
    """
    screen.workers.cancel_node(screen)


class _Sized(Screen[ResultT]):
    """창의 크기에 따라 class를 바꾼다."""

    def __init__(self) -> None:
        super().__init__()
        self._compositor = GlyphCompositor()
        self._left: Widget | None = None

    @property
    def wizard(self) -> WizardApp:
        """이 화면을 띄운 앱."""
        return cast("WizardApp", self.app)

    def on_mount(self) -> None:
        self._apply_size()

    def on_resize(self, event: events.Resize) -> None:
        self._apply_size()

    def on_screen_resume(self) -> None:
        self._apply_size()

    def _on_prune(self) -> None:
        stop_work(self)

    def _apply_size(self) -> None:
        size = self.app.size
        self._keep_focus(size.width < ko.MIN_WIDTH or size.height < ko.MIN_HEIGHT)
        self.set_class(size.width < NARROW_WIDTH, "-narrow")
        self.set_class(size.width < TIGHT_WIDTH, "-tight")
        self.set_class(size.height < 20, "-tiny")

    def _keep_focus(self, is_small: bool) -> None:
        """창이 작아 모두 감추면 초점이 사라진다: 다시 커지면 있던 칸으로 돌려놓는다."""
        was_small = self.has_class("-too-small")
        if is_small and not was_small:
            self._left = self.focused
        self.set_class(is_small, "-too-small")
        if was_small and not is_small:
            self.call_after_refresh(self._return_focus)

    def _return_focus(self) -> None:
        left = self._left if self._left is not None and self._left.focusable else None
        if self.focused is None and (left or self.focus_chain):
            self.set_focus(left or self.focus_chain[0], scroll_visible=False)


class BaseScreen(_Sized[ResultT]):
    """온 화면을 차지하는 화면. 하위 클래스는 `compose_body`와 `PATH`를 준다.

    PATH: 머리줄에 보일 자리. COMMAND_LIST: 이 화면의 명령들(BINDINGS는 여기서 나온다).
    HELP_TEXT: 도움말 창 맨 위의 한두 문장.
    """

    PATH: ClassVar[tuple[str, ...]] = ()
    COMMAND_LIST: ClassVar[tuple[Command, ...]] = ()
    HELP_TEXT: ClassVar[str] = ""
    BINDINGS: ClassVar = bindings(_FIELD_MOVES)

    def __init_subclass__(cls, **kwargs: bool) -> None:
        if "COMMAND_LIST" in cls.__dict__:
            cls.BINDINGS = bindings(cls.COMMAND_LIST)
        super().__init_subclass__(**kwargs)

    def _apply_size(self) -> None:
        super()._apply_size()
        self.set_class(self.app.size.height < 30, "-short")

    def compose(self) -> ComposeResult:
        bar = TopBar()
        bar.path = self.PATH
        yield bar
        with Vertical(id="body"):
            yield from self.compose_body()
        yield TooSmall()
        yield KeyBar()

    def compose_body(self) -> ComposeResult:
        """화면의 속. 하위 클래스가 준다."""
        yield from ()

    @property
    def top_bar(self) -> TopBar:
        """머리줄."""
        return self.query_one(TopBar)

    def action_back(self) -> None:
        """앞 화면으로."""
        self.app.pop_screen()


class BaseModal(_Sized[ResultT], ModalScreen[ResultT]):
    """화면 위에 뜨는 창. 터미널이 작으면 아래 화면의 알림이 보이게 비킨다."""

    COMMAND_LIST: ClassVar[tuple[Command, ...]] = (CLOSE,)
    BINDINGS: ClassVar = bindings((CLOSE, *_FIELD_MOVES))

    def __init_subclass__(cls, **kwargs: bool) -> None:
        if "COMMAND_LIST" in cls.__dict__:
            cls.BINDINGS = bindings(cls.COMMAND_LIST)
        super().__init_subclass__(**kwargs)

    def action_close(self) -> None:
        """결과 없이 닫는다."""
        self.dismiss()
