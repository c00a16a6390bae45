"""The reference draws of the embedded database that NUTS made, against posteriors that are known in closed form."""

import json
import zipfile
from pathlib import Path

import numpy as np
from scipy import linalg, stats

DATABASE = Path(__file__).parents[2] / "posteriordb"
REFERENCES = DATABASE / "reference_posteriors" / "draws"


def moments(name):
    """The mean and standard deviation of each quantity of a reference, from its draws or its summaries."""
    info = json.loads((REFERENCES / "info" / f"{name}.info.json").read_text())
    with zipfile.ZipFile(REFERENCES / "draws" / f"{name}.json.zip") as archive:
        chains = json.loads(archive.read(f"{name}.json"))
    draws = {key: np.concatenate([chain[key] for chain in chains]) for key in chains[0]}
    known = {key: (column.mean(), column.std(ddof=1)) for key, column in draws.items()}
    summaries = info.get("summaries", {"names": [], "mean": [], "sd": []})
    return known | dict(zip(summaries["names"], zip(summaries["mean"], summaries["sd"])))


def data(name):
    text = (DATABASE / "data" / "data" / f"{name}.json").read_text()
    return {key: np.array(value) if isinstance(value, list) else value for key, value in json.loads(text).items()}


def assert_close(name, expected):
    """`expected` holds the mean and standard deviation of each quantity; thinned draws are nearly independent."""
    found = moments(name)
    assert found.keys() == expected.keys()
    mean, sd = np.array([found[key] for key in expected]).T
    true_mean, true_sd = np.array(list(expected.values())).T
    # Among a thousand normal deviates, one beyond 4.5 has a probability of 0.7 %.
    assert np.abs((mean - true_mean) / true_sd).max() < 4.5 / np.sqrt(10_000)
    assert np.abs(np.log(sd / true_sd)).max() < 4.5 / np.sqrt(20_000)


def vector(name, mean, variance):
    return {f"{name}[{i}]": (m, v**0.5) for i, (m, v) in enumerate(zip(mean, variance), start=1)}


def test_a_regression_with_a_known_error_is_normal():
    d = data("simulated_correlated")
    covariance = linalg.inv(d["X"].T @ d["X"] / d["sigma"] ** 2 + np.eye(d["K"]) / d["prior_scale"] ** 2)
    mean = covariance @ d["X"].T @ d["y"] / d["sigma"] ** 2
    assert_close("simulated_correlated-conjugate_regression", vector("beta", mean, np.diag(covariance)))


def test_a_random_walk_in_noise_has_the_moments_of_the_kalman_smoother():
    d = data("simulated_levels")
    seen = dict(zip(d["time"], d["y"]))
    filtered = []
    mean, variance = 0.0, 100.0
    for time in range(1, d["T"] + 1):
        if time in seen:
            gain = variance / (variance + d["sigma_noise"] ** 2)
            mean, variance = mean + gain * (seen[time] - mean), (1 - gain) * variance
        filtered.append((mean, variance))
        variance += d["sigma_level"] ** 2
    smoothed = [filtered[-1]]
    for mean, variance in reversed(filtered[:-1]):
        share = variance / (variance + d["sigma_level"] ** 2)
        next_mean, next_variance = smoothed[-1]
        change = next_variance - variance - d["sigma_level"] ** 2
        smoothed.append((mean + share * (next_mean - mean), variance + share**2 * change))
    assert_close("simulated_levels-local_level", vector("level", *zip(*reversed(smoothed))))


def normal_regression(X, y, prior_scales, sigma_prior):
    """Mean and variance of the coefficients and of sigma in a regression with normal priors: given sigma, the coefficients are
    normal; sigma is integrated out on a grid."""
    residual = y - X @ np.linalg.lstsq(X, y)[0]
    centre = np.sqrt(residual @ residual / (len(y) - X.shape[1]))
    grid = centre * np.exp(np.linspace(-8, 8, 200) / np.sqrt(2 * len(y)))
    log_weights, means, variances = [], [], []
    for sigma in grid:
        # By square roots and in units of the coefficients' own scales, since the predictors have very different ones.
        stacked = np.vstack([X / sigma, np.diag(1 / prior_scales)])
        scales = np.linalg.norm(stacked, axis=0)
        triangle = np.linalg.qr(stacked / scales)[1]
        target = np.concatenate([y / sigma, np.zeros(len(prior_scales))])
        mean = np.linalg.lstsq(stacked / scales, target)[0]
        left = target - stacked / scales @ mean
        log_determinant = np.log(np.abs(np.diag(triangle)) * scales).sum()
        # The grid is even in log sigma, hence the last term.
        log_weights.append(-left @ left / 2 - log_determinant - len(y) * np.log(sigma) + sigma_prior(sigma) + np.log(sigma))
        means.append(mean / scales)
        variances.append((linalg.solve_triangular(triangle, np.eye(len(scales))) ** 2).sum(axis=1) / scales**2)
    weights = np.exp(np.array(log_weights) - max(log_weights))
    weights /= weights.sum()
    means = np.column_stack([means, grid])
    variances = np.column_stack([variances, np.zeros(len(grid))])
    mean = weights @ means
    return mean, weights @ (variances + (means - mean) ** 2)


def named(names, mean, variance):
    return {name: (m, v**0.5) for name, m, v in zip(names, mean, variance)}


def test_a_linear_regression_has_the_moments_of_quadrature():
    d = data("simulated_trend")
    X = np.column_stack([np.ones(d["N"]), d["X"]])
    prior_scales = np.array([1000.0] + [100.0] * d["K"])
    result = normal_regression(X, d["y"], prior_scales, lambda sigma: stats.norm.logpdf(sigma, scale=10))
    names = ["alpha", *[f"beta[{k}]" for k in range(1, d["K"] + 1)], "sigma"]
    assert_close("simulated_trend-linear_regression", named(names, *result))


def test_an_autoregression_has_the_moments_of_quadrature():
    d = data("simulated_autoregression")
    lags = [d["y"][d["K"] - k : d["T"] - k] for k in range(1, d["K"] + 1)]
    X = np.column_stack([np.ones(d["T"] - d["K"]), *lags])
    prior_scales = np.full(d["K"] + 1, 10.0)
    result = normal_regression(X, d["y"][d["K"] :], prior_scales, lambda sigma: stats.cauchy.logpdf(sigma, scale=2.5))
    names = ["alpha", *[f"beta[{k}]" for k in range(1, d["K"] + 1)], "sigma"]
    assert_close("simulated_autoregression-arK", named(names, *result))
