"""문서의 명령 가운데 여기서 진짜를 돌릴 수 없는 것의 대역(셸 스크립트)."""

from __future__ import annotations

DOCKER = """\
#!/bin/sh
# 대역: 문서의 기준 서버를 다루는 명령인지만 본다.
case "$*" in
  "run "*optuna-postgres*) for part in "--name optuna-postgres" "-p 5432:5432" POSTGRES_USER=postgres \\
      POSTGRES_PASSWORD=5432 POSTGRES_DB=optuna postgres:15; do
      case "$*" in *"$part"*) ;; *) echo "docker run에 '$part'가 없다" >&2; exit 1;; esac; done;;
  "build -f docs/examples/cluster/Dockerfile -t backtest-wizard .")
      test -f docs/examples/cluster/Dockerfile;;
  *" backtest-wizard dask scheduler "*|*" backtest-wizard dask worker "*) ;;
  "start optuna-postgres"|"stop optuna-postgres"|"ps"*|"logs optuna-postgres"*) ;;
  *) echo "대역이 모르는 docker 명령: $*" >&2; exit 1;;
esac
"""
CLUSTER_TOOL = """\
#!/bin/sh
# 대역: 문서의 무리에 주는 파일이 있고 제 언어로 읽히는지만 본다.
for part in "$@"; do
  case "$part" in
    *.yaml) python -c "import sys, yaml; yaml.safe_load(open(sys.argv[1]))" "$part" || exit 1;;
    *.sbatch) bash -n "$part" || exit 1;;
  esac
done
"""
