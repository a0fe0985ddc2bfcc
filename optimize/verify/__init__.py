"""전략이 미래를 보는지 시험하는 명령(`./시작 검증`, `python -m optimize.verify`)."""
