"""테이블의 모양: Optuna의 것(revision `v3.2.0.a`)의 사본과 우리 것(`wizard_*`).

Optuna를 import하지 않고 만들고 읽고 쓰기 위한 SQLAlchemy Core 선언이다. Optuna가 만든 것과 제약까지 같음을
규약 시험이 지킨다. 시각은 시간대 없는 UTC다. 우리 테이블은 스터디가 지워지면 함께 지워진다.
"""

from __future__ import annotations

import sqlalchemy as sa

SUPPORTED_REVISION = "v3.2.0.a"
# 그 revision의 `version_info.schema_version`(alembic 앞의 판 번호, 더는 바뀌지 않는다).
SCHEMA_VERSION = 12

optuna = sa.MetaData()
_STATES = ("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING")
FINISHED = ("COMPLETE", "PRUNED", "FAIL")
UNFINISHED = ("RUNNING", "WAITING")

studies = sa.Table(
    "studies",
    optuna,
    sa.Column("study_id", sa.Integer, primary_key=True),
    sa.Column("study_name", sa.String(512), index=True, unique=True, nullable=False),
)
study_directions = sa.Table(
    "study_directions",
    optuna,
    sa.Column("study_direction_id", sa.Integer, primary_key=True),
    sa.Column(
        "direction",
        sa.Enum("NOT_SET", "MINIMIZE", "MAXIMIZE", name="studydirection"),
        nullable=False,
    ),
    sa.Column("study_id", sa.ForeignKey("studies.study_id"), nullable=False),
    sa.Column("objective", sa.Integer, nullable=False),
    sa.UniqueConstraint("study_id", "objective"),
)
study_user_attributes = sa.Table(
    "study_user_attributes",
    optuna,
    sa.Column("study_user_attribute_id", sa.Integer, primary_key=True),
    sa.Column("study_id", sa.ForeignKey("studies.study_id")),
    sa.Column("key", sa.String(512)),
    sa.Column("value_json", sa.Text),
    sa.UniqueConstraint("study_id", "key"),
)
study_system_attributes = sa.Table(
    "study_system_attributes",
    optuna,
    sa.Column("study_system_attribute_id", sa.Integer, primary_key=True),
    sa.Column("study_id", sa.ForeignKey("studies.study_id")),
    sa.Column("key", sa.String(512)),
    sa.Column("value_json", sa.Text),
    sa.UniqueConstraint("study_id", "key"),
)
trials = sa.Table(
    "trials",
    optuna,
    sa.Column("trial_id", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer),
    sa.Column("study_id", sa.ForeignKey("studies.study_id"), index=True),
    sa.Column("state", sa.Enum(*_STATES, name="trialstate"), nullable=False),
    sa.Column("datetime_start", sa.DateTime),
    sa.Column("datetime_complete", sa.DateTime),
)
trial_params = sa.Table(
    "trial_params",
    optuna,
    sa.Column("param_id", sa.Integer, primary_key=True),
    sa.Column("trial_id", sa.ForeignKey("trials.trial_id")),
    sa.Column("param_name", sa.String(512)),
    sa.Column("param_value", sa.Float(53)),
    sa.Column("distribution_json", sa.Text),
    sa.UniqueConstraint("trial_id", "param_name"),
)
trial_values = sa.Table(
    "trial_values",
    optuna,
    sa.Column("trial_value_id", sa.Integer, primary_key=True),
    sa.Column("trial_id", sa.ForeignKey("trials.trial_id"), nullable=False),
    sa.Column("objective", sa.Integer, nullable=False),
    sa.Column("value", sa.Float(53)),
    sa.Column(
        "value_type",
        sa.Enum("FINITE", "INF_POS", "INF_NEG", name="trialvaluetype"),
        nullable=False,
    ),
    sa.UniqueConstraint("trial_id", "objective"),
)
trial_intermediate_values = sa.Table(
    "trial_intermediate_values",
    optuna,
    sa.Column("trial_intermediate_value_id", sa.Integer, primary_key=True),
    sa.Column("trial_id", sa.ForeignKey("trials.trial_id"), nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("intermediate_value", sa.Float(53)),
    sa.Column(
        "intermediate_value_type",
        sa.Enum("FINITE", "INF_POS", "INF_NEG", "NAN", name="trialintermediatevaluetype"),
        nullable=False,
    ),
    sa.UniqueConstraint("trial_id", "step"),
)
trial_user_attributes = sa.Table(
    "trial_user_attributes",
    optuna,
    sa.Column("trial_user_attribute_id", sa.Integer, primary_key=True),
    sa.Column("trial_id", sa.ForeignKey("trials.trial_id")),
    sa.Column("key", sa.String(512)),
    sa.Column("value_json", sa.Text),
    sa.UniqueConstraint("trial_id", "key"),
)
trial_system_attributes = sa.Table(
    "trial_system_attributes",
    optuna,
    sa.Column("trial_system_attribute_id", sa.Integer, primary_key=True),
    sa.Column("trial_id", sa.ForeignKey("trials.trial_id")),
    sa.Column("key", sa.String(512)),
    sa.Column("value_json", sa.Text),
    sa.UniqueConstraint("trial_id", "key"),
)
trial_heartbeats = sa.Table(
    "trial_heartbeats",
    optuna,
    sa.Column("trial_heartbeat_id", sa.Integer, primary_key=True),
    sa.Column("trial_id", sa.ForeignKey("trials.trial_id"), nullable=False, unique=True),
    sa.Column("heartbeat", sa.DateTime, nullable=False),
)
version_info = sa.Table(
    "version_info",
    optuna,
    sa.Column("version_info_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("schema_version", sa.Integer),
    sa.Column("library_version", sa.String(256)),
    sa.CheckConstraint("version_info_id=1"),
)
alembic_version = sa.Table(
    "alembic_version",
    optuna,
    sa.Column("version_num", sa.String(32)),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

wizard = sa.MetaData()
# 외래 열쇠의 이름만 잇는다: Optuna의 테이블을 이 metadata가 만들지 않게 한다.
sa.Table("studies", wizard, sa.Column("study_id", sa.Integer, primary_key=True))
sa.Table("trials", wizard, sa.Column("trial_id", sa.Integer, primary_key=True))


def _study_column() -> sa.Column[int]:
    key = sa.ForeignKey("studies.study_id", ondelete="CASCADE")
    return sa.Column("study_id", sa.Integer, key, primary_key=True, autoincrement=False)


# 저장된 시행의 uid(두 번 넣지 않는다)와 파라미터의 지문(두 번 평가하지 않는다).
stored = sa.Table(
    "wizard_trials",
    wizard,
    _study_column(),
    sa.Column("uid", sa.String(64), primary_key=True),
    sa.Column("trial_id", sa.Integer, sa.ForeignKey("trials.trial_id", ondelete="CASCADE")),
    sa.Column("params_hash", sa.String(64), nullable=False),
    sa.Index("ix_wizard_trials_hash", "study_id", "params_hash"),
    sa.Index("ix_wizard_trials_trial", "trial_id"),
)
# 평가하려고 맡은 자리. expires_at: 서버 시계의 epoch 초.
claims = sa.Table(
    "wizard_claims",
    wizard,
    _study_column(),
    sa.Column("params_hash", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("expires_at", sa.Float(53), nullable=False),
)
# 목록이 빨리 읽는 스터디의 요약. (total, unfinished)가 지금과 같으면 나머지도 맞다.
summaries = sa.Table(
    "wizard_summaries",
    wizard,
    _study_column(),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("unfinished", sa.Integer, nullable=False),
    sa.Column("n_complete", sa.Integer, nullable=False),
    sa.Column("n_pruned", sa.Integer, nullable=False),
    sa.Column("n_failed", sa.Integer, nullable=False),
    sa.Column("best_value", sa.Float(53)),
    sa.Column("best_number", sa.Integer),
    sa.Column("last_activity", sa.DateTime),
)
WIZARD_TABLES = (stored, claims, summaries)
NUMBER_INDEX = "ix_wizard_trials_number"
UNFINISHED_INDEX = "ix_wizard_trials_unfinished"
# 부분 색인의 조건. 질의가 글자 그대로 같아야 색인을 쓴다.
IS_UNFINISHED = "state IN ('RUNNING', 'WAITING')"
