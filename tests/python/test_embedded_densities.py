"""The programs of the embedded database have the densities that NumPy and SciPy give at the same points.

Compiles every program, hence only with STANMATCH_SLOW_TESTS=1.
"""

import json
import os
import subprocess

import bridgestan
import numpy as np
import pytest

import densities
from bridge import REPOSITORY, stanmatch
from test_bridge import by_name

DATABASE = REPOSITORY / "posteriordb"
POSTERIORS = sorted(file.stem for file in (DATABASE / "posteriors").glob("*.json"))
# The programs whose differential equations are solved less exactly than here.
TOLERANCES = {"lotka_volterra": 2e-3, "one_comp_mm_elim_abs": 1e-6}


def arrays(data):
    return {name: np.array(value) if isinstance(value, list) else value for name, value in data.items()}


@pytest.mark.skipif("STANMATCH_SLOW_TESTS" not in os.environ, reason="compiles thirty programs; STANMATCH_SLOW_TESTS=1")
@pytest.mark.parametrize("name", POSTERIORS)
def test_the_density_is_that_of_scipy(name):
    posterior = json.loads((DATABASE / "posteriors" / f"{name}.json").read_text())
    program = posterior["model_name"]
    data = json.loads((DATABASE / "data" / "data" / f"{posterior['data_name']}.json").read_text())
    command = [stanmatch(), "compile", REPOSITORY / "stan_models" / f"{program}.stan"]
    library = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    model = bridgestan.StanModel(library, data, warn=False)
    density = getattr(densities, program)
    rng = np.random.default_rng(1)
    for _ in range(5):
        theta = rng.uniform(-1, 1, model.param_unc_num())
        expected = density(by_name(model, theta), arrays(data))
        value = model.log_density(theta, propto=False, jacobian=False)
        assert value == pytest.approx(expected, rel=TOLERANCES.get(program, 1e-10))

