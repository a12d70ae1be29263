from __future__ import annotations

import inspect
from typing import Any

import pytest

from hogsend.app import App
from hogsend.errors import ConfigError


def test_app_keeps_its_lists_in_order() -> None:
    app = App("shop")

    digest = app.list("digest", name="Weekly digest")
    app.list("beta", name="Beta", default_opt_in=False)

    app.check()
    assert [found.id for found in app.lists] == ["digest", "beta"]
    assert app.lists[0] is digest


def test_app_reports_every_bad_list_with_its_line() -> None:
    app = App("shop")
    wrong: Any = "yes"
    frame = inspect.currentframe()
    assert frame is not None
    line = frame.f_lineno + 1
    app.list("not ok", name="", default_opt_in=wrong)
    app.list("digest", name="Digest")
    app.list("Digest", name="Again")

    with pytest.raises(ConfigError) as caught:
        app.check()

    assert f"{__file__}:{line}: list 'not ok': the id must be" in str(caught.value)
    assert "name must be a text" in str(caught.value)
    assert "default_opt_in must be True or False" in str(caught.value)
    assert "list 'Digest': the id is taken" in str(caught.value)
    assert [found.id for found in app.lists] == ["digest"]
