"""판정: 잡음은 이론의 비율로 의심받고, 참된 전략은 의심받지 않으며, 모자란 자료는 모자란다고 말한다."""

from __future__ import annotations

import json
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from verdict_kit import gathered, study, trial

from optimize.validation.blocks import decode_blocks
from optimize.verdict import collect
from optimize.verdict.collect import Moments, StudyTrials, join
from optimize.verdict.figures import Judge, Rerun
from optimize.verdict.judge import judge
from optimize.verdict.sharpe import expected_maximum, normal_score

SEEDS = 200
TRIALS = 20
DAYS = 256


def noise(seed: int, trials: int = TRIALS, days: int = DAYS):
    return np.random.default_rng(seed).standard_normal((days, trials)) * 0.01


def planted(seed: int = 0, trials: int = 60, days: int = 730):
    """참된 신호: 시행 j의 이익은 가운데에서 멀수록 준다. 모두 시장을 함께 겪는다."""
    draw = np.random.default_rng(seed)
    edge = 0.3 * np.exp(-(((np.arange(trials) - trials / 2) / (trials / 3)) ** 2))
    return 0.01 * (
        edge + draw.standard_normal((days, 1)) * 0.7 + draw.standard_normal((days, trials)) * 0.5
    )


def verdict_of(found: StudyTrials, **how):
    return judge(Judge([found]).figures(found, **how))


@pytest.fixture(scope="module")
def noisy():
    return [verdict_of(study(noise(seed))) for seed in range(SEEDS)]


def within(count: int, share: float, tries: int = SEEDS) -> bool:
    """이항분포의 99.9 % 구간(정규 근사에 반 칸) 안인가."""
    away = 3.29 * np.sqrt(tries * share * (1 - share)) + 0.5
    return abs(count - tries * share) <= away


def test_pure_noise_is_suspected_at_the_rate_of_the_theory(noisy):
    """우연 확률은 잡음에서 고르게 나오므로 95 %가 의심받고, 아무도 '징후 없음'이 되지 않는다."""
    suspected = sum(verdict.level == "suspect" for verdict in noisy)
    assert within(suspected, 0.95)
    luck = np.array([verdict.figures.luck.probability for verdict in noisy])
    for level in (0.1, 0.25, 0.5, 0.75):
        assert within(int(np.sum(luck < level)), level)
    assert sum(verdict.level == "clear" for verdict in noisy) <= 1


def test_a_short_period_of_noise_is_suspected_as_often():
    """20일이면 t의 꼬리가 두껍다: 정규로 견주면 잡음의 넷에 하나가 빠져나간다."""
    luck = [
        verdict_of(study(noise(seed, trials=100, days=20))).figures.luck.probability
        for seed in range(100)
    ]
    assert within(int(np.sum(np.array(luck) < 0.05)), 0.05, 100)


def test_noise_has_half_the_pbo(noisy):
    pbo = np.array([verdict.figures.pbo.probability for verdict in noisy])
    assert pbo.mean() == pytest.approx(0.5, abs=3.29 * pbo.std() / np.sqrt(SEEDS))


def test_noise_passes_the_dsr_as_rarely_as_the_theory(noisy):
    """DSR < c는 최댓값이 E[max] + Z_c보다 작다는 것이다: 그 확률은 Φ(E[max] + Z_c)^N."""
    deflated = np.array([verdict.figures.deflated.probability for verdict in noisy])
    normal = NormalDist()
    for level in (0.5, 0.8, 0.95):
        share = normal.cdf(expected_maximum(TRIALS) + normal.inv_cdf(level)) ** TRIALS
        assert within(int(np.sum(deflated < level)), share)


def test_a_planted_signal_is_not_called_overfit():
    found = study(planted())
    returns = planted()[:, found.best.number]
    rerun = Rerun(returns, np.full(100, 0.01), [found.best.values[0] * 0.9] * 8)
    verdict = verdict_of(found, rerun=rerun)
    assert verdict.level == "clear", verdict.lines()
    assert verdict.label == "뚜렷한 징후 없음"


@pytest.mark.parametrize("seed", range(5))
def test_planted_signals_are_never_suspected(seed):
    assert verdict_of(study(planted(seed))).level != "suspect"


def test_every_trial_of_every_cell_counts():
    one, two = study(noise(1), "하나"), study(noise(2, trials=80), "둘")
    alone = Judge([one]).figures(one)
    both = Judge([one, two]).figures(one)
    assert (alone.tried, both.tried) == (20, 100)
    assert both.studies == ("하나", "둘")
    assert both.luck.probability > alone.luck.probability
    assert both.luck.expected_sharpe > alone.luck.expected_sharpe
    assert both.deflated.benchmark_sharpe > alone.deflated.benchmark_sharpe


def test_pruned_and_other_length_trials_are_tries_without_returns():
    plain = study(noise(3))
    extra = [trial(100 + n, None, state="PRUNED") for n in range(20)]
    failed = [trial(200, None, state="FAIL", values=())]
    pruned = gathered([trial(n, c) for n, c in enumerate(noise(3).T)] + extra + failed)
    other = study(noise(4, days=100), "다른 기간")
    base = Judge([plain]).figures(plain).luck.probability
    assert Judge([pruned]).figures(pruned).tried == 40
    assert Judge([pruned]).figures(pruned).failed == 1
    twice = 1 - (1 - base) ** 2
    assert Judge([pruned]).figures(pruned).luck.probability == pytest.approx(twice)
    assert Judge([plain, other]).figures(plain).luck.probability == pytest.approx(twice)


def test_an_adaptive_search_is_not_excused_by_its_resemblance():
    """지난 시행을 보고 고른 시행들은 서로 닮았어도 무관한 것만큼 센다. 칸 하나만 그래도 모두 그렇게 센다."""
    draw = np.random.default_rng(3)
    alike = 0.01 * (draw.standard_normal((DAYS, 1)) + 0.3 * draw.standard_normal((DAYS, 50)))
    plain, other = study(alike), study(alike[:, :20], "둘")
    base = Judge([plain, other]).figures(plain).luck
    other.adaptive = True
    found = Judge([plain, other]).figures(plain)
    score = normal_score(found.record.sharpe * np.sqrt(DAYS / 365), DAYS)
    assert found.luck.probability == pytest.approx(1 - NormalDist().cdf(score) ** 70)
    assert found.luck.probability > base.probability
    assert base.independent_trials < 20
    assert found.luck.independent_trials == 70
    assert found.luck.expected_sharpe > base.expected_sharpe
    assert found.luck.days_needed > base.days_needed


def test_old_studies_without_blocks_say_so():
    returns = noise(5)
    old = gathered([replace(trial(n, c), blocks="") for n, c in enumerate(returns.T)])
    verdict = verdict_of(old)
    assert verdict.level == "unclear"
    assert "셈할 자료가 없는 잣대: 우연 확률, 과최적화 확률" in verdict.headline
    text = "\n".join(verdict.lines())
    assert "일간 수익률이 저장되지 않은 시행입니다" in text
    assert "None" not in text


def test_few_trials_few_days_and_no_best():
    few = verdict_of(study(planted(1, trials=5)))
    assert few.level == "unclear"
    assert "제약을 지킨 시행이 5개입니다" in "\n".join(few.lines())
    assert "다른 스터디에서 찾아 옮겼다면" in few.notes[0]
    assert verdict_of(study(planted(1))).notes == ()
    short = verdict_of(study(noise(6, days=20) + 0.02))
    assert "날이 20일이라" in "\n".join(short.lines())
    none = verdict_of(gathered([trial(0, noise(1)[:, 0], constraints=(1.0,))]))
    assert none.level == "unclear"
    assert "제약을 지키며" in none.headline
    empty = verdict_of(gathered([]))
    assert empty.figures.tried == 0
    assert empty.level == "unclear"


def test_a_losing_best_is_not_overfit_but_nothing():
    verdict = verdict_of(study(noise(7) - 0.01))
    assert verdict.level == "unclear"
    assert "벌지 못해" in verdict.headline


def with_folds(out_of_sample: float) -> StudyTrials:
    returns = planted(2)
    trials = [
        trial(
            n,
            column,
            fold=n % 2,
            in_sample=(2.0 + n / 100,),
            out_of_sample=(out_of_sample,),
            in_sample_constraints=(-1.0,) if n < 58 else (1.0,),
        )
        for n, column in enumerate(returns.T)
    ]
    return gathered(trials)


@pytest.mark.parametrize(
    ("outside", "mark", "level"),
    [(1.8, "good", "clear"), (0.4, "warn", "unclear"), (-0.5, "bad", "suspect")],
)
def test_out_of_sample_decides(outside, mark, level):
    found = with_folds(outside)
    rerun = Rerun(planted(2)[:, found.best.number], np.full(50, 0.01), [99.0] * 8)
    verdict = verdict_of(found, rerun=rerun)
    finding = next(f for f in verdict.findings if f.key == "out_of_sample")
    assert (finding.mark, verdict.level) == (mark, level)
    # split마다 학습 점수가 가장 좋은, 조건을 지킨 시행의 것: 56번과 57번.
    assert verdict.figures.out_of_sample.in_sample == pytest.approx(2.565)
    assert verdict.figures.out_of_sample.splits == 2


@pytest.mark.parametrize(("days", "mark"), [(29, "warn"), (30, "bad"), (0, "bad")])
def test_a_loss_in_a_short_test_is_not_yet_a_suspicion(days, mark):
    """짧은 검증의 손실은 진짜 전략에도 흔하다. 날 수를 모르는 옛 스터디는 그대로 의심한다."""
    found = with_folds(-0.5)
    found.test_days = days
    verdict = verdict_of(found)
    finding = next(f for f in verdict.findings if f.key == "out_of_sample")
    assert finding.mark == mark
    assert ("운과 가르기에 짧습니다" in finding.todo) is (mark == "warn")
    assert (f"쓰지 않은 기간({days}일)의" in finding.text) is (days > 0)
    assert verdict.figures.out_of_sample.days == days
    assert (verdict.level == "suspect") is (mark == "bad")


def test_scores_that_grow_with_the_period_are_not_divided():
    """순이익은 긴 학습에서 더 크다: 줄어든 것이 길이 때문일 수 있으므로 잃지만 않으면 좋다."""
    found = with_folds(0.4)
    found.goals = ("net_profit_pct",)
    finding = next(f for f in verdict_of(found).findings if f.key == "out_of_sample")
    assert finding.mark == "good"
    assert "남은 몫은 재지 않습니다" in finding.text
    assert "%" not in finding.text
    lost = with_folds(-0.4)
    lost.goals = ("net_profit_pct",)
    finding = next(f for f in verdict_of(lost).findings if f.key == "out_of_sample")
    assert finding.mark == "bad"
    both = StudyTrials("s", "c", ("maximize", "minimize"), ("sharpe", "max_drawdown_pct"))
    assert both.comparable
    assert not replace(both, directions=("maximize",)).comparable


@pytest.mark.parametrize(
    ("sharpe", "level"), [(1.7, "unclear"), (1.6, "suspect"), (None, "suspect")]
)
def test_a_sure_gain_outside_is_not_called_overfit(sharpe, level):
    """찾은 횟수로는 운 같아도, 한 해의 검증에서 Sharpe 1.645를 넘게 벌었으면(95 %) 의심이 아니라 보류다."""
    metrics = {} if sharpe is None else {"sharpe": sharpe, "net_profit_pct": 20.0}
    found = gathered(
        [
            trial(
                n, column, fold=0, in_sample=(2.0,), out_of_sample=(1.7,),
                out_of_sample_metrics=metrics,
            )
            for n, column in enumerate(noise(1, trials=60).T)
        ]
    )  # fmt: skip
    found.test_days = 366
    verdict = verdict_of(found)
    assert verdict.figures.luck.probability > 0.05
    assert [f.key for f in verdict.findings if f.mark == "bad"] == ["luck"]
    assert verdict.level == level
    assert ("운으로 보기 어렵게 벌었습니다" in verdict.headline) is (level == "unclear")


def test_alike_and_good_trials_are_not_held_back_by_the_pbo():
    """모두 같이 좋은 시행들: PBO는 절반이지만 표본 밖에서 잃지 않는다."""
    draw = np.random.default_rng(5)
    market = 0.3 + draw.standard_normal((730, 1))
    returns = 0.01 * (market + 0.05 * draw.standard_normal((730, 40)))
    found = study(returns)
    rerun = Rerun(returns[:, found.best.number], np.full(50, 0.01), [99.0] * 8)
    verdict = verdict_of(found, rerun=rerun)
    finding = next(f for f in verdict.findings if f.key == "pbo")
    assert verdict.figures.pbo.probability > 0.2
    assert verdict.figures.pbo.loss < 0.05
    assert finding.mark == "good"
    assert "고루 좋은" in finding.text
    assert verdict.level == "clear", verdict.lines()


def test_a_lonely_peak_is_said():
    found = study(planted(3))
    best = found.best.values[0]
    rerun = Rerun(planted(3)[:, found.best.number], np.full(50, 0.01), [0.1 * best] * 8)
    verdict = verdict_of(found, rerun=rerun)
    assert verdict.level == "unclear"
    assert "외딴 봉우리" in "\n".join(verdict.lines())


def test_json_holds_every_figure_and_is_finite():
    found = study(planted(4))
    body = json.loads(json.dumps(verdict_of(found).as_json(), allow_nan=False))
    assert body["type"] == "verdict"
    assert body["figures"]["luck"]["probability"] < 0.05
    assert body["figures"]["missing"]["out_of_sample"] == "검증을 쓰지 않은 스터디입니다"
    assert [f["key"] for f in body["findings"]][:3] == ["luck", "deflated", "pbo"]
    assert {f["mark"] for f in body["findings"]} <= {"good", "warn", "bad", "unknown"}


def test_many_trials_are_thinned_but_counted(monkeypatch):
    monkeypatch.setattr(collect, "MAX_KEPT", 30)
    found = study(noise(8, trials=90))
    search = join([found], DAYS)
    assert len(search.sums) == 30
    assert (search.tried, search.with_blocks) == (90, 90)
    kept = {float(row.sum()) for row in search.sums}
    everyone = {float(decode_blocks(t.blocks).sums.sum()) for t in _trials(noise(8, trials=90))}
    assert kept <= everyone
    assert Judge([found]).figures(found).luck is not None


def _trials(returns):
    return [trial(n, column) for n, column in enumerate(returns.T)]


def test_moments_merge_like_one_group():
    values = np.random.default_rng(1).normal(3, 2, 100)
    one, two = Moments(), Moments()
    for value in values[:37]:
        one.add(float(value))
    for value in values[37:]:
        two.add(float(value))
    both = one + two
    assert both.count == 100
    assert both.mean == pytest.approx(values.mean())
    assert both.variance == pytest.approx(values.var(ddof=1))
    assert (Moments() + Moments()).variance == 0.0
