"""The log densities of the embedded programs, with their constants and without Jacobian terms, in NumPy and SciPy.

Each function takes the parameters by name and the data, both with arrays, and has the name of its program.
"""

import numpy as np
from scipy import special, stats


def normal(x, mean=0, sd=1):
    return stats.norm.logpdf(x, mean, sd).sum()


def bernoulli_logit(y, log_odds):
    return (y * log_odds - np.logaddexp(0, log_odds)).sum()


def lognormal(x, mean, sd):
    return (stats.norm.logpdf(np.log(x), mean, sd) - np.log(x)).sum()


def poisson(y, log_rate):
    return stats.poisson.logpmf(y, np.exp(log_rate)).sum()


def logistic_regression(p, d):
    log_odds = p["alpha"] + d["X"] @ p["beta"]
    priors = normal(p["alpha"], 0, d["prior_scale"]) + normal(p["beta"], 0, d["prior_scale"])
    return priors + bernoulli_logit(d["y"], log_odds)


def item_response_2pl(p, d):
    a, b = p["discrimination"][:, None], p["difficulty"][:, None]
    return (
        normal(p["ability"])
        + lognormal(p["discrimination"], 0, p["sd_log_discrimination"])
        + normal(p["difficulty"], p["mean_difficulty"], p["sd_difficulty"])
        + normal(p["mean_difficulty"], 0, 2)
        + normal(p["sd_difficulty"], 0, 2)
        + normal(p["sd_log_discrimination"])
        + bernoulli_logit(d["y"], a * (p["ability"] - b))
    )


def lkj_constant(size, eta):
    """The log normalising constant of Lewandowski, Kurowicka and Joe (2009), equation 16."""
    k = np.arange(1, size)
    half = eta + (size - k - 1) / 2
    return ((2 * eta - 2 + size - k) * (size - k) * np.log(2) + (size - k) * special.betaln(half, half)).sum()


def varying_slopes(p, d):
    size = len(p["beta"])
    coefficients = p["beta"] + p["z"].T @ p["L"].T * p["tau"]
    predictors = np.column_stack([np.ones(d["N"]), d["X"]])
    # The density of a correlation's Cholesky factor has the Jacobian of L -> LL', too.
    powers = size - np.arange(1, size + 1) + 2 * 2 - 2
    lkj = (powers * np.log(np.diag(p["L"])))[1:].sum() - lkj_constant(size, 2)
    return (
        normal(p["beta"], 0, 2)
        + normal(p["tau"])
        + lkj
        + normal(p["z"])
        + normal(p["sigma"], 0, 2)
        + normal(d["y"], (predictors * coefficients[d["group"] - 1]).sum(axis=1), p["sigma"])
    )


def exponential_cholesky(size, length):
    places = np.arange(size) / size
    return np.linalg.cholesky(np.exp(-np.abs(places[:, None] - places) / length))


def log_gaussian_cox(p, d):
    along, across = exponential_cholesky(d["R"], p["length"]), exponential_cholesky(d["C"], p["length"])
    log_rate = p["mu"] + p["sigma"] * along @ p["z"] @ across.T
    priors = normal(p["mu"], 0, 2) + normal(p["sigma"]) + lognormal(p["length"], -1, 0.5) + normal(p["z"])
    return priors + poisson(d["y"], log_rate)


def neural_network(p, d):
    fitted = p["c"] + np.tanh(d["X"] @ p["W"] + p["b"]) @ p["v"]
    return (
        normal(p["W"])
        + normal(p["b"])
        + normal(p["v"], 0, d["H"] ** -0.5)
        + normal(p["c"])
        + normal(p["sigma"])
        + normal(d["y"], fitted, p["sigma"])
    )
