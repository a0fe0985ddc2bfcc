"""`.venv`의 Python에 물려줄 환경 변수."""

import os

UTF8_LOCALES = ("C.UTF-8", "C.utf8", "UTF-8")


def inherited() -> "dict[str, str]":
    """사용자의 환경에서 Python을 망가뜨리는 것을 빼고, 글자를 UTF-8로 맞춘 것."""
    environment = dict(os.environ, PYTHONUTF8="1")
    for name in ("PYTHONHOME", "__PYVENV_LAUNCHER__"):
        environment.pop(name, None)
    # LC_ALL이 없는데 이름이 UTF-8인 locale이 없으면 Python이 스스로 C.UTF-8로 바꿔 두었다(PEP 538).
    named = environment.get("LC_CTYPE") or environment.get("LANG", "")
    if environment.get("LC_ALL") or "utf" not in named.lower():
        force_utf8_locale(environment)
    return environment


def force_utf8_locale(environment: "dict[str, str]") -> None:
    """UTF-8이 아닌 locale이면 글자 부호만 UTF-8로 바꾼다. 언어와 나머지는 그대로다.

    PYTHONUTF8로는 모자란다: Python 3.11·3.12는 site-packages의 `.pth`를 locale의 부호로 읽어서,
    프로젝트의 경로에 한글이 있으면 LC_ALL=C에서 시작하다 죽는다.
    """
    import locale

    if locale.nl_langinfo(locale.CODESET).upper() == "UTF-8":
        return
    before = locale.setlocale(locale.LC_CTYPE)
    for name in UTF8_LOCALES:
        try:
            locale.setlocale(locale.LC_CTYPE, name)
        except locale.Error:
            continue
        locale.setlocale(locale.LC_CTYPE, before)
        everything = environment.pop("LC_ALL", "")
        if everything:
            environment["LANG"] = everything
        environment["LC_CTYPE"] = name
        return
