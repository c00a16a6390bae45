"""What `stanmatch sample` writes is read by ArviZ and CmdStanPy, and their diagnostics are ours."""

import json
import subprocess

import arviz
import cmdstanpy
import numpy as np
import pytest

from bridge import stanmatch


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with saved chains of the embedded eight schools, and the document beside them."""
    folder = tmp_path_factory.mktemp("sample")
    options = ["--draws", "500", "--thin", "2", "--adapt-delta", "0.95", "--json", "--output", folder]
    printed = subprocess.run([stanmatch(), "sample", "eight_schools", *options], check=True, stdout=subprocess.PIPE)
    document = json.loads((folder / "sample.json").read_text())
    assert json.loads(printed.stdout) == document
    return sorted(str(file) for file in folder.glob("draws-*.csv")), document


def element(dataset, name):
    """The value of one scalar, such as theta[3]."""
    base, _, index = name.rstrip("]").partition("[")
    values = dataset[base].values
    return float(values[tuple(int(i) - 1 for i in index.split(","))] if index else values)


def test_arviz_reads_the_chains_and_agrees(saved):
    files, document = saved
    data = arviz.from_cmdstan(posterior=files)
    assert data.posterior.sizes["chain"] == 4 and data.posterior.sizes["draw"] == 500
    theirs = {
        "mean": data.posterior.mean(("chain", "draw")),
        "mcse": arviz.mcse(data),
        "ess_bulk": arviz.ess(data, method="bulk"),
        "ess_tail": arviz.ess(data, method="tail"),
        "r_hat": arviz.rhat(data),
    }
    for parameter in document["parameters"]:
        for key, dataset in theirs.items():
            np.testing.assert_allclose(parameter[key], element(dataset, parameter["name"]), rtol=1e-9, err_msg=key)
    assert set(data.sample_stats) >= {"lp", "acceptance_rate", "step_size", "tree_depth", "n_steps", "diverging", "energy"}


def test_cmdstanpy_reads_the_chains(saved):
    files, document = saved
    fit = cmdstanpy.from_csv(files)
    assert fit.draws().shape[:2] == (500, 4)
    assert fit.thin == 2 and fit.num_draws_sampling == 500
    assert fit.inv_metric.shape == (4, document["dim"]) and (fit.step_size > 0).all()
    assert fit.divergences.sum() <= document["divergences"]
    # The energy is the kinetic energy less the log density.
    statistics = fit.method_variables()
    assert (statistics["energy__"] + statistics["lp__"] > 0).all()


def test_chains_with_other_metrics_are_read(tmp_path):
    def sampled(name, *options):
        command = [stanmatch(), "sample", "eight_schools", "--draws", "100", "--output", tmp_path / name, *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return sorted(str(file) for file in (tmp_path / name).glob("draws-*.csv"))

    fit = tmp_path / "fit"
    command = [stanmatch(), "fit", "eight_schools", "--method", "bam", "--output", fit]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for files in [sampled("low", "--metric", "low-rank"), sampled("warm", "--warm-start", fit)]:
        assert arviz.from_cmdstan(posterior=files).posterior.sizes["draw"] == 100
        assert cmdstanpy.from_csv(files).draws().shape[:2] == (100, 4)
