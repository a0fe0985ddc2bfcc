"""설정: 테마, 밀도, 마우스, 애니메이션."""

from __future__ import annotations

from dataclasses import replace

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Label, Static

from tui.commands import Command
from tui.screens.base import BACK, BaseScreen
from tui.state import state_path
from tui.text import common
from tui.text import settings as ko
from tui.widgets.fields import Choice


class SettingsScreen(BaseScreen[None]):
    """바꾸면 바로 적용하고 저장한다."""

    PATH = (ko.TITLE,)
    HELP_TEXT = ko.HELP
    COMMAND_LIST = (
        BACK,
        Command("settings.done", "enter", "back", *common.BACK, in_footer=False, in_palette=False),
        Command("settings.up", "up", "app.focus_previous", *common.PREVIOUS_FIELD, in_footer=False,
                in_palette=False),
        Command("settings.down", "down", "app.focus_next", *common.NEXT_FIELD, in_footer=False,
                in_palette=False),
    )  # fmt: skip

    def compose_body(self) -> ComposeResult:
        settings = self.wizard.settings
        on_off = {True: "on", False: "off"}
        yield Static(ko.INTRO, classes="question")
        for key, (label, hint), options, value in (
            ("theme", ko.THEME, ko.THEME_NAMES, settings.theme),
            ("density", ko.DENSITY, ko.DENSITY_NAMES, settings.density),
            ("mouse", ko.MOUSE, ko.ON_OFF, on_off[settings.mouse]),
            ("animation", ko.ANIMATION, ko.ON_OFF, on_off[settings.animation]),
        ):
            with Horizontal(classes="field-row"):
                yield Label(label, classes="field-label")
                yield Choice(options, value, id=key)
                yield Label(hint, classes="field-hint")
        yield Static(f"{ko.FILE}: {state_path()}", classes="muted gap", markup=False)

    def on_choice_changed(self, event: Choice.Changed) -> None:
        key, value = event.choice.id, event.value
        settings = self.wizard.settings
        if key == "theme":
            settings = replace(settings, theme=value)
        elif key == "density":
            settings = replace(settings, density=value)
        elif key == "mouse":
            settings = replace(settings, mouse=value == "on")
        elif key == "animation":
            settings = replace(settings, animation=value == "on")
        self.wizard.update_settings(settings)
