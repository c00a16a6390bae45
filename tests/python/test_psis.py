"""The fixture's smoothed weights are what the installed ArviZ gives."""

import json

import numpy as np
import pytest

from psis import FIXTURE, smoothed

CASES = json.loads(FIXTURE.read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_fixture_is_arviz(case):
    for key, value in smoothed(np.array(case["log_ratios"])).items():
        np.testing.assert_allclose(case[key], value, rtol=1e-9, atol=1e-11, err_msg=key)
