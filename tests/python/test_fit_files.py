"""What `stanmatch fit --output` writes is read by ArviZ, CmdStanPy and BridgeStan's own client, and their summaries are ours."""

import json
import subprocess
import zipfile

import arviz
import bridgestan
import cmdstanpy
import numpy as np
import pytest
from cmdstanpy.utils.stancsv import try_deduce_metric_type

from bridge import DATA, REPOSITORY, load, stanmatch
from test_sample import element

# One fit whose importance-resampled draws are trusted, and one by NUTS in four chains: how many chains each method has.
CHAINS = {"auto": 1, "nuts": 4}


@pytest.fixture(scope="module", params=CHAINS)
def saved(request, tmp_path_factory):
    """The folder of a saved fit, its CSV files, its document and its number of chains."""
    folder = tmp_path_factory.mktemp("fit") / "saved"
    command = [stanmatch(), "fit", "eight_schools", "--method", request.param, "--cmdstan-init=3", "--json", "--output", folder]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    document = json.loads((folder / "fit.json").read_text())
    assert json.loads(printed.stdout) == document
    files = sorted(str(file) for file in folder.glob("draws-*.csv"))
    assert len(files) == CHAINS[request.param]
    return folder, files, document


def test_arviz_reads_the_draws_and_agrees(saved):
    _, files, document = saved
    data = arviz.from_cmdstan(posterior=files)
    assert data.posterior.sizes["chain"] == len(files)
    assert data.posterior.sizes["chain"] * data.posterior.sizes["draw"] == document["draws"] == 4000
    over = ("chain", "draw")
    theirs = {
        "mean": data.posterior.mean(over),
        "sd": data.posterior.std(over, ddof=1),
        "q5": data.posterior.quantile(0.05, over),
        "q50": data.posterior.quantile(0.5, over),
        "q95": data.posterior.quantile(0.95, over),
    }
    # What independent draws are worth, importance sampling knows; of chains, ArviZ knows as well.
    if len(files) > 1:
        theirs |= {"ess": arviz.ess(data, method="mean"), "mcse": arviz.mcse(data, method="mean")}
    for parameter in document["parameters"]:
        for key, dataset in theirs.items():
            ours = parameter[key]
            np.testing.assert_allclose(ours, element(dataset, parameter["name"]), rtol=1e-9, atol=1e-12, err_msg=key)
    assert np.isfinite(data.sample_stats["lp"]).all()


def test_cmdstanpy_reads_the_draws_and_agrees(saved):
    _, files, document = saved
    fit = cmdstanpy.from_csv(files)
    expected = cmdstanpy.CmdStanPathfinder if len(files) == 1 else cmdstanpy.CmdStanMCMC
    assert isinstance(fit, expected)
    variables = fit.stan_variables()
    for parameter in document["parameters"]:
        base, _, index = parameter["name"].rstrip("]").partition("[")
        values = variables[base]
        column = values[(slice(None), *(int(i) - 1 for i in index.split(",")))] if index else values
        assert len(column) == document["draws"]
        np.testing.assert_allclose([parameter["mean"], parameter["sd"]], [column.mean(), column.std(ddof=1)], rtol=1e-9)


def test_posteriordb_archives_hold_the_draws_on_both_scales(saved):
    folder, files, document = saved
    chains, unconstrained = [
        json.loads(zipfile.ZipFile(folder / f"{name}.json.zip").read(f"{name}.json")) for name in ("draws", "unconstrained")
    ]
    assert len(chains) == len(unconstrained) == len(files)
    data = arviz.from_cmdstan(posterior=files)
    for index, chain in enumerate(chains):
        assert list(chain) == [parameter["name"] for parameter in document["parameters"]]
        for name, values in chain.items():
            base, _, element = name.rstrip("]").partition("[")
            theirs = data.posterior[base].values[index]
            theirs = theirs[:, int(element) - 1] if element else theirs
            np.testing.assert_array_equal(values, theirs)
    assert [len(chain) for chain in unconstrained] == [document["dim"]] * len(files)


@pytest.fixture(scope="module")
def model(saved):
    """The saved fit's posterior in BridgeStan's own client."""
    document = saved[2]
    program = REPOSITORY / "stan_models" / f"{document['model']}.stan"
    library = subprocess.run([stanmatch(), "compile", program], check=True, stdout=subprocess.PIPE, text=True)
    info = json.loads((REPOSITORY / "posteriordb" / "posteriors" / f"{document['posterior']}.json").read_text())
    data = REPOSITORY / "posteriordb" / "data" / "data" / f"{info['data_name']}.json"
    return bridgestan.StanModel(library.stdout.strip(), data.read_text(), warn=False)


def unconstrained_points(folder):
    chains = json.loads(zipfile.ZipFile(folder / "unconstrained.json.zip").read("unconstrained.json"))
    return np.ascontiguousarray(np.concatenate([np.transpose(list(chain.values())) for chain in chains]))


def test_cmdstan_starts_at_draws_of_the_fit(saved, model):
    folder, files, document = saved
    points = unconstrained_points(folder)
    starts = [model.param_unconstrain_json((folder / f"inits_{chain}.json").read_text()) for chain in (1, 2, 3)]
    nearest = [np.abs(points - start).max(axis=1).argmin() for start in starts]
    np.testing.assert_allclose(starts, points[nearest], rtol=1e-9, atol=1e-9)
    assert len(set(nearest)) == 3
    # The column lp__ is the log density there, up to one constant where the model lacks its constants.
    densities = np.concatenate(arviz.from_cmdstan(posterior=files).sample_stats["lp"].values)
    expected = [model.log_density(points[row], propto=False) for row in nearest]
    constant = 0.0 if document["normalized"] else densities[nearest[0]] - expected[0]
    np.testing.assert_allclose(densities[nearest], np.array(expected) + constant, rtol=1e-12)


def test_the_metrics_are_covariances_of_kinds_that_cmdstanpy_knows(saved):
    folder, _, document = saved
    points = unconstrained_points(folder)
    draws = len(points)
    covariance = np.cov(points.T) * draws / (draws + 5) + 1e-3 * 5 / (draws + 5) * np.eye(document["dim"])
    for kind, expected in (("dense", covariance), ("diag", np.diag(covariance))):
        file = folder / f"metric_{kind}.json"
        metric = np.array(json.loads(file.read_text())["inv_metric"])
        np.testing.assert_allclose(metric, expected, rtol=1e-9, atol=1e-12)
        assert try_deduce_metric_type(str(file)) == f"{kind}_e"
    np.linalg.cholesky(covariance)


@pytest.mark.parametrize("program", ["containers", "constrained"])
def test_initial_values_of_every_type_are_draws_of_the_fit(program, tmp_path):
    data = tmp_path / "data.json"
    data.write_text(json.dumps(DATA[program]))
    file = REPOSITORY / "tests" / "bridge" / f"{program}.stan"
    options = ["--method", "bam", "--draws", "50", "--cmdstan-init=2", "--output", tmp_path]
    subprocess.run([stanmatch(), "fit", "--model", file, "--data", data, *options], check=True, stdout=subprocess.DEVNULL)
    points = unconstrained_points(tmp_path)
    start = load(program).param_unconstrain_json((tmp_path / "inits_2.json").read_text())
    # The second of two chains starts half-way; unit vectors have a length that the constrained scale forgets.
    known = np.abs(start - points[25]) < 1e-6
    assert known.sum() >= len(start) - DATA[program].get("K", 0)
