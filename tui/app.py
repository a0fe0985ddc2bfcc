"""앱: 화면을 여닫고, 설정을 지니고, 어디서나 듣는 명령을 받는다. 화면은 열 때 import한다."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.screen import Screen

from tui.cells import plain_lines
from tui.commands import Command, bindings
from tui.draft import Draft
from tui.problem import Problem, ProblemError
from tui.state import Settings, load_settings, save_settings
from tui.text import common as ko
from tui.theme import BY_NAME

if TYPE_CHECKING:
    from textual.worker import WorkType

    from tui.processes import WaitingChild

COMMANDS = (
    Command("app.help", "f1", "app.show_help", *ko.HELP, priority=True),
    Command("app.diagnostics", "f9", "app.diagnostics", *ko.DIAGNOSTICS, priority=True),
    Command("app.settings", "f4", "app.settings", *ko.SETTINGS, in_footer=False),
    Command("app.theme", "", "app.toggle_theme", *ko.TOGGLE_THEME),
    Command("app.density", "", "app.toggle_density", *ko.TOGGLE_DENSITY),
    Command("app.quit", "f10,ctrl+q", "app.quit", *ko.QUIT, priority=True),
    Command("app.palette", "ctrl+p", "app.show_palette", *ko.PALETTE, in_palette=False,
            priority=True),
    Command("app.interrupt", "ctrl+c", "app.interrupt", *ko.INTERRUPT, in_footer=False,
            in_palette=False),
)  # fmt: skip
_WARM_AFTER_SECONDS = 0.5
_STYLES = Path(__file__).parent / "styles"


class WizardApp(App[None]):
    """백테스트 마법사의 화면."""

    TITLE = ko.APP_NAME
    CSS_PATH: ClassVar = [
        _STYLES / f"{name}.tcss" for name in ("spacing", "wizard", "run", "studies")
    ]
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = bindings(COMMANDS)
    NOTIFICATION_TIMEOUT = 6.0

    def __init__(self) -> None:
        super().__init__()
        self.settings: Settings = load_settings()
        # 시작하지 않고 나온 새 실행: (그때 설정 파일이 준 초안, 고르던 초안).
        self._unfinished: tuple[Draft, Draft] | None = None
        for theme in BY_NAME.values():
            self.register_theme(theme)
        self._apply(self.settings)

    def on_mount(self) -> None:
        from tui.screens.home import HomeScreen

        self.push_screen(HomeScreen())
        self.set_timer(_WARM_AFTER_SECONDS, self._warm_kernels)

    def _warm_kernels(self) -> None:
        """첫 화면이 뜬 뒤: 사용자가 마법사를 지나는 동안 커널을 컴파일하고 목록의 자식을 띄워 둔다."""
        from tui import bridge

        self.run_worker(bridge.warm_kernels, thread=True, group="warm")
        self.prepare_list()

    @cached_property
    def study_lister(self) -> WaitingChild:
        """스터디 목록을 읽는 자식."""
        from tui.studies_commands import study_lister

        return study_lister()

    def prepare_list(self) -> None:
        """다음에 목록을 열 때 바로 읽게 한다."""
        work: WorkType[None] = self._prepare_list
        self.run_worker(work, group="list")

    async def _prepare_list(self) -> None:
        from tui.studies_commands import prepare

        await prepare(self.study_lister)

    async def on_unmount(self) -> None:
        if "study_lister" in vars(self):
            await self.study_lister.close()

    # ── 설정

    def update_settings(self, settings: Settings) -> None:
        """설정을 바꾸고 저장한다."""
        self.settings = settings
        self._apply(settings)
        if not save_settings(settings):
            self.notify(ko.SAVE_FAILED, severity="warning", markup=False)

    def _apply(self, settings: Settings) -> None:
        self.theme = BY_NAME[settings.theme].name
        self.animation_level = "full" if settings.animation else "none"
        self.set_class(settings.density == "compact", "-compact")

    def action_toggle_theme(self) -> None:
        from dataclasses import replace

        other = "light" if self.settings.theme == "dark" else "dark"
        self.update_settings(replace(self.settings, theme=other))

    def action_toggle_density(self) -> None:
        from dataclasses import replace

        other = "compact" if self.settings.density == "comfortable" else "comfortable"
        self.update_settings(replace(self.settings, density=other))

    # ── 화면

    async def action_new_run(self) -> None:
        """마법사의 첫 단계를 연다. 고르다 만 것이 있으면 이어 간다. 설정 파일이 틀렸으면 오류 창을 보인다."""
        from asyncio import to_thread
        from copy import deepcopy

        from tui import bridge
        from tui.screens.wizard_symbol import SymbolScreen

        if not self.screen.is_modal:
            try:
                fresh = await to_thread(bridge.new_draft)
            except ProblemError as error:
                self.show_problem(error.problem)
                return
            # 그사이에 설정 파일을 고쳤으면 새로 시작한다.
            if self._unfinished is None or self._unfinished[0] != fresh:
                self._unfinished = fresh, deepcopy(fresh)
            await self.push_screen(SymbolScreen(self._unfinished[1]))

    def finish_draft(self) -> None:
        """고르던 초안을 실행했다: 다음 새 실행은 처음부터다."""
        self._unfinished = None

    def action_studies(self) -> None:
        """스터디 목록을 연다."""
        from tui.screens.studies import StudiesScreen

        if not self.screen.is_modal and not isinstance(self.screen, StudiesScreen):
            self.push_screen(StudiesScreen())

    def action_diagnostics(self) -> None:
        """보고 있는 스터디의 저장소나 지금 고른 저장소(없으면 설정이 정하는 것)를 점검한다.

        창이 떠 있어도 듣는다: 그 위에 열리고, 나가면 그 창으로 돌아온다.
        """
        from tui.screens.diagnostics import DiagnosticsScreen

        if any(isinstance(screen, DiagnosticsScreen) for screen in self.screen_stack):
            return
        below = next((one for one in reversed(self.screen_stack) if not one.is_modal), self.screen)
        choice = getattr(below, "storage_choice", None)
        masked = str(getattr(below, "storage_masked", ""))
        self.push_screen(DiagnosticsScreen(choice, masked))

    def action_settings(self) -> None:
        """설정을 연다."""
        from tui.screens.settings import SettingsScreen

        if not isinstance(self.screen, SettingsScreen):
            self.push_screen(SettingsScreen())

    def open_run(self, run_dir: Path) -> None:
        """실행 화면을 처음 화면 바로 위에 연다. 마법사의 화면들은 닫는다."""
        from tui.screens.home import HomeScreen
        from tui.screens.run import RunScreen

        while not isinstance(self.screen, HomeScreen) and len(self.screen_stack) > 2:
            self.pop_screen()
        self.push_screen(RunScreen(run_dir))

    def action_show_help(self) -> None:
        """도움말 창. 이미 떠 있으면 닫는다."""
        from tui.screens.help import HelpScreen

        if isinstance(self.screen, HelpScreen):
            self.screen.action_close()
        else:
            self.push_screen(HelpScreen(self.screen))

    def action_show_palette(self) -> None:
        """명령 목록. 고른 명령을 지금 화면에서 실행한다."""
        from tui.screens.palette import PaletteScreen

        screen = self.screen
        if screen.is_modal:
            return

        async def run(command: Command | None) -> None:
            if command is not None:
                await screen.run_action(command.action)

        self.push_screen(PaletteScreen(list(self._available(screen))), run)

    def _available(self, screen: Screen[object]) -> Iterable[Command]:
        """화면의 명령, 그다음 앱의 명령. 지금 할 수 없는 것(끝난 실행의 멈추기)은 뺀다."""
        seen: set[str] = set()
        for command in (*getattr(screen, "COMMAND_LIST", ()), *COMMANDS):
            owner = self if command.action.startswith("app.") else screen
            usable = owner.check_action(command.action.removeprefix("app."), ())
            if command.in_palette and usable and command.action not in seen:
                seen.add(command.action)
                yield command

    def action_interrupt(self) -> None:
        """Ctrl+C: 고른 글이 있으면 복사, 없으면 끝내는 법을 알린다."""
        text = self.screen.get_selected_text()
        if text:
            self.copy_to_clipboard(text)
            self.notify(ko.COPIED)
        else:
            self.notify(ko.QUIT_HINT, markup=False)

    # ── 오류

    def show_problem(self, problem: Problem) -> None:
        """오류 창을 띄운다."""
        from tui.screens.error import ErrorScreen

        self.push_screen(ErrorScreen(problem))

    def toast(self, message: str, *, severity: str = "information") -> None:
        """짧은 알림. 글은 markup으로 읽지 않는다. severity: information | warning | error."""
        level = severity if severity in ("warning", "error") else "information"
        self.notify(plain_lines(message), severity=level, markup=False)  # type: ignore[arg-type]

    def on_notify(self) -> None:
        """알림은 마지막 것 하나만 보인다: 쌓이면 고쳐야 할 칸까지 가린다."""
        self.clear_notifications()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """이미 열려 있는 화면을 여는 글쇠는 아래줄에 보이지 않는다."""
        here = {"diagnostics": "DiagnosticsScreen", "settings": "SettingsScreen"}.get(action)
        return all(type(screen).__name__ != here for screen in self.screen_stack)

    def _handle_exception(self, error: Exception) -> None:
        """예상 밖의 예외: 기록을 남기고 한국어 한 문장과 함께 끝낸다.

        Textual이 그리는 traceback은 지역 변수(비밀번호일 수 있다)까지 보이므로 쓰지 않는다.
        """
        from tui import bridge

        self.exit(return_code=5, message=bridge.record_crash(error))
        self._exception = error
        self._exception_event.set()
