"""docs/search.md가 코드와 같은 말을 하는지."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from optimize.backtest.metrics import METRICS
from optimize.search.proposer import SAMPLERS
from optimize.search.pruning import PRUNERS
from optimize.search.space import SearchSpace
from optimize.settings import model
from optimize.strategy.registry import load_strategy

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs/search.md").read_text(encoding="utf-8")


def test_metric_table_lists_every_metric_with_its_unit_and_direction() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (\S+) \| (클수록|작을수록) \|$", DOCUMENT, re.M)
    expected = [
        (name, info.unit or "배", "클수록" if info.goal == "max" else "작을수록")
        for name, info in METRICS.items()
    ]
    assert rows == expected


def test_sampler_table_and_settings_list_the_same_names() -> None:
    section = DOCUMENT.split("## sampler")[1].split("### ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.M)) == set(SAMPLERS)
    assert set(model.SAMPLERS) == set(SAMPLERS)
    assert set(model.PRUNERS) == set(PRUNERS)


def test_space_example_is_accepted_by_the_default_strategy() -> None:
    example = yaml.safe_load(re.findall(r"```yaml\n(strategy:.*?)```", DOCUMENT, re.S)[0])
    strategy = load_strategy(example["strategy"]["name"])
    space = SearchSpace(strategy.parameters, example["strategy"]["space"])
    assert "target_atr" not in {parameter.name for parameter in space.dimensions}
