"""The embedded database holds what its scripts produce: the data again, and exact draws from the named densities."""

import json
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import simulate_data  # noqa: E402

DATA = ROOT / "posteriordb" / "data" / "data"
REFERENCES = ROOT / "posteriordb" / "reference_posteriors" / "draws"


def exact_draws(name):
    """The draws of all chains, one column per quantity, in the order of the info file."""
    info = json.loads((REFERENCES / "info" / f"{name}.info.json").read_text())
    assert info["inference"]["method"] == "exact"
    with zipfile.ZipFile(REFERENCES / "draws" / f"{name}.json.zip") as archive:
        chains = json.loads(archive.read(f"{name}.json"))
    assert [len(column) for chain in chains for column in chain.values()] == [1000] * 10 * len(chains[0])
    names = info["diagnostics"]["diagnostic_information"]["names"]
    return np.column_stack([np.concatenate([chain[key] for chain in chains]) for key in names])


def standard_normal_columns(values):
    """Whether independent columns are standard normal: each by Kolmogorov and Smirnov, the pairs by their correlations."""
    count, columns = values.shape
    smallest = min(stats.kstest(column, "norm").pvalue for column in values.T)
    correlations = np.corrcoef(values.T) - np.eye(columns)
    return smallest > 1e-4 and np.abs(correlations).max() < 4.5 / np.sqrt(count)


def test_the_database_is_small_enough_to_be_embedded():
    files = [path for path in (ROOT / "posteriordb").rglob("*") if path.is_file()]
    assert len(files) > 100
    assert sum(len(zlib.compress(path.read_bytes())) for path in files) < 12_000_000


@pytest.mark.parametrize("simulation", simulate_data.EMBEDDED)
def test_data_are_what_the_script_simulates(simulation):
    assert json.loads((DATA / f"{simulation.__name__}.json").read_text()) == simulation()


def test_banana_is_a_bent_normal():
    x = exact_draws("no_data-banana")
    pair = np.column_stack([x[:, 0], x[:, 1] + x[:, 0] ** 2 + 1])
    assert standard_normal_columns(np.linalg.solve(np.linalg.cholesky([[1, 0.9], [0.9, 1]]), pair.T).T)


def test_x_shaped_has_the_mixture_s_diagonals():
    # Along the diagonals (x1 ± x2)/√2 the components have variances 3.8 and 0.2, in turn.
    x = exact_draws("no_data-x_shaped")
    along = np.column_stack([x[:, 0] + x[:, 1], x[:, 0] - x[:, 1]]) / np.sqrt(2)

    def marginal(value):
        return 0.5 * stats.norm.cdf(value, scale=3.8**0.5) + 0.5 * stats.norm.cdf(value, scale=0.2**0.5)

    for column in along.T:
        assert stats.kstest(column, marginal).pvalue > 1e-4
    # E[a² b²] is 3.8 · 0.2 in either component; independent diagonals would have 4.
    assert np.mean(along[:, 0] ** 2 * along[:, 1] ** 2) == pytest.approx(0.76, abs=0.1)


def test_two_modes_are_two_unit_normals():
    x = exact_draws("no_data-two_modes")

    def marginal(value):
        return 0.5 * stats.norm.cdf(value, loc=-2) + 0.5 * stats.norm.cdf(value, loc=2)

    assert stats.kstest(x[:, 0], marginal).pvalue > 1e-4
    assert stats.kstest(x[:, 1], "norm").pvalue > 1e-4


def test_funnel_is_a_scaled_normal():
    draws = exact_draws("no_data-funnel")
    v, x = draws[:, :1], draws[:, 1:]
    assert standard_normal_columns(np.hstack([v / 3, x * np.exp(-v / 2)]))
