"""The fixture's diagnostics are what the installed ArviZ gives."""

import json

import numpy as np
import pytest

from diagnostics import FIXTURE, diagnostics

CASES = json.loads(FIXTURE.read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_fixture_is_arviz(case):
    for key, value in diagnostics(np.array(case["draws"])).items():
        np.testing.assert_allclose(case["values"][key], value, rtol=1e-9, err_msg=key)
