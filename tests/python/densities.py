"""The log densities of the embedded programs, with their constants and without Jacobian terms, in NumPy and SciPy.

Each function takes the parameters by name and the data, both with arrays, and has the name of its program.
"""

import numpy as np
from scipy import integrate, special, stats


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
    field = along @ p["z"] @ across.T
    log_rate = p["mu"] + p["sigma"] * (field - field.mean())
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


def negative_binomial_regression(p, d):
    mean, phi = np.exp(p["alpha"] + d["X"] @ p["beta"]), p["phi"]
    priors = normal(p["alpha"], 0, 2) + normal(p["beta"]) + stats.gamma.logpdf(phi, 2, scale=2)
    return priors + stats.nbinom.logpmf(d["y"], phi, phi / (phi + mean)).sum()


def weibull_survival(p, d):
    scale, shape = np.exp(p["intercept"] + d["X"] @ p["beta"]), p["shape"]
    distribution = stats.weibull_min(shape, scale=scale)
    priors = normal(p["intercept"], 0, 2) + normal(p["beta"]) + lognormal(shape, 0, 0.5)
    return priors + np.where(d["seen"], distribution.logpdf(d["time"]), distribution.logsf(d["time"])).sum()


def horseshoe_regression(p, d):
    ratio = d["expected_nonzero"] / (d["K"] - d["expected_nonzero"])
    width = 2 * np.sqrt(p["slab"])
    free = p["tau"] * p["sigma"] * p["lambda"]
    beta = p["z"] * free * width / np.hypot(width, free)
    return (
        normal(p["alpha"], 0, 5)
        + normal(p["z"])
        + stats.t.logpdf(p["lambda"], 3).sum()
        + stats.t.logpdf(p["tau"], 3, scale=ratio / np.sqrt(d["N"]))
        + stats.invgamma.logpdf(p["slab"], 2, scale=2)
        + normal(p["sigma"], 0, 3)
        + normal(d["y"], p["alpha"] + d["X"] @ beta, p["sigma"])
    )


def stochastic_volatility(p, d):
    state = p["sigma"] / np.sqrt(1 - p["phi"] ** 2) * p["z"][0]
    log_variance = [p["mu"] + state]
    for z in p["z"][1:]:
        state = p["phi"] * state + p["sigma"] * z
        log_variance.append(p["mu"] + state)
    return (
        normal(p["mu"], 0, 2)
        + stats.beta.logpdf((p["phi"] + 1) / 2, 20, 1.5)
        + normal(p["sigma"], 0, 0.5)
        + normal(p["z"])
        + normal(d["y"], 0, np.exp(np.array(log_variance) / 2))
    )


def conjugate_regression(p, d):
    return normal(p["beta"], 0, d["prior_scale"]) + normal(d["y"], d["X"] @ p["beta"], d["sigma"])


def local_level(p, d):
    level = p["level"]
    walk = normal(level[0], 0, 10) + normal(np.diff(level), 0, d["sigma_level"])
    return walk + normal(d["y"], level[d["time"] - 1], d["sigma_noise"])


def linear_regression(p, d):
    priors = normal(p["alpha"], 0, 1000) + normal(p["beta"], 0, 100) + normal(p["sigma"], 0, 10)
    return priors + normal(d["y"], p["alpha"] + d["X"] @ p["beta"], p["sigma"])


def poisson_varying_intercepts(p, d):
    log_rate = p["alpha"] + p["tau"] * p["effect_std"][d["group"] - 1] + d["X"] @ p["beta"]
    priors = normal(p["alpha"], 0, 2) + normal(p["beta"]) + normal(p["tau"]) + normal(p["effect_std"])
    return priors + poisson(d["y"], log_rate)


def noisy_ar1(p, d):
    gaps = np.abs(np.subtract.outer(np.arange(d["T"]), np.arange(d["T"])))
    covariance = p["sigma_state"] ** 2 / (1 - p["phi"] ** 2) * p["phi"] ** gaps
    covariance += p["sigma_noise"] ** 2 * np.eye(d["T"])
    priors = normal(p["mu"], 0, 5) + normal(p["sigma_state"]) + normal(p["sigma_noise"])
    return priors + stats.multivariate_normal.logpdf(d["y"], np.full(d["T"], p["mu"]), covariance)


def eight_schools_centered(p, d):
    priors = stats.cauchy.logpdf(p["tau"], scale=5) + normal(p["mu"], 0, 5)
    return priors + normal(p["theta"], p["mu"], p["tau"]) + normal(d["y"], p["theta"], d["sigma"])


def eight_schools_noncentered(p, d):
    priors = stats.cauchy.logpdf(p["tau"], scale=5) + normal(p["mu"], 0, 5) + normal(p["theta_trans"])
    return priors + normal(d["y"], p["mu"] + p["tau"] * p["theta_trans"], d["sigma"])


def arK(p, d):
    fitted = [p["alpha"] + p["beta"] @ d["y"][t - d["K"] : t][::-1] for t in range(d["K"], d["T"])]
    priors = normal(p["alpha"], 0, 10) + normal(p["beta"], 0, 10) + stats.cauchy.logpdf(p["sigma"], scale=2.5)
    return priors + normal(d["y"][d["K"] :], fitted, p["sigma"])


def arma11(p, d):
    errors = [d["y"][0] - p["mu"] * (1 + p["phi"])]
    for previous, y in zip(d["y"], d["y"][1:]):
        errors.append(y - p["mu"] - p["phi"] * previous - p["theta"] * errors[-1])
    priors = normal(p["mu"], 0, 10) + normal(p["phi"], 0, 2) + normal(p["theta"], 0, 2)
    return priors + stats.cauchy.logpdf(p["sigma"], scale=2.5) + normal(errors, 0, p["sigma"])


def garch11(p, d):
    variances = [d["sigma1"] ** 2]
    for y in d["y"][:-1]:
        variances.append(p["alpha0"] + p["alpha1"] * (y - p["mu"]) ** 2 + p["beta1"] * variances[-1])
    return normal(d["y"], p["mu"], np.sqrt(variances))


def gp_regr(p, d):
    gaps = np.subtract.outer(d["x"], d["x"])
    covariance = p["alpha"] ** 2 * np.exp(-0.5 * (gaps / p["rho"]) ** 2) + p["sigma"] * np.eye(d["N"])
    priors = stats.gamma.logpdf(p["rho"], 25, scale=1 / 4) + normal(p["alpha"], 0, 2) + normal(p["sigma"])
    return priors + stats.multivariate_normal.logpdf(d["y"], np.zeros(d["N"]), covariance)


def hmm_example(p, d):
    transition = np.log([p["theta1"], p["theta2"]])
    emission = stats.norm.logpdf(d["y"][:, None], p["mu"])
    state = emission[0]
    for row in emission[1:]:
        state = special.logsumexp(state[:, None] + transition, axis=0) + row
    return normal(p["mu"], [3, 10]) + special.logsumexp(state)


def low_dim_gauss_mix(p, d):
    parts = stats.norm.logpdf(d["y"][:, None], p["mu"], p["sigma"]) + np.log([p["theta"], 1 - p["theta"]])
    priors = normal(p["sigma"], 0, 2) + normal(p["mu"], 0, 2) + stats.beta.logpdf(p["theta"], 5, 5)
    return priors + special.logsumexp(parts, axis=1).sum()


def solve(change, start, times):
    """The solution at the times, after the time 0."""
    solution = integrate.solve_ivp(change, (0, times[-1]), start, "LSODA", times, rtol=1e-10, atol=1e-12)
    return solution.y.T


def lotka_volterra(p, d):
    a, b, c, e = p["theta"]
    z = solve(lambda _, z: [(a - b * z[1]) * z[0], (-c + e * z[0]) * z[1]], p["z_init"], d["ts"])
    return (
        normal(p["theta"], [1, 0.05, 1, 0.05], [0.5, 0.05, 0.5, 0.05])
        + lognormal(p["sigma"], -1, 1)
        + lognormal(p["z_init"], np.log(10), 1)
        + lognormal(d["y_init"], np.log(p["z_init"]), p["sigma"])
        + lognormal(d["y"], np.log(z), p["sigma"])
    )


def one_comp_mm_elim_abs(p, d):
    def change(time, amount):
        absorbed = np.exp(-p["k_a"] * time) * d["D"] * p["k_a"] / d["V"]
        return absorbed - p["V_m"] / d["V"] * amount / (p["K_m"] + amount)

    concentration = solve(change, [0.0], d["times"])[:, 0]
    priors = sum(stats.cauchy.logpdf(p[name]) for name in ("k_a", "K_m", "V_m", "sigma"))
    return priors + lognormal(d["C_hat"], np.log(concentration), p["sigma"])


def banana(p, d):
    x1, x2 = p["x"]
    return stats.multivariate_normal.logpdf([x1, x2 + x1**2 + 1], [0, 0], [[1, 0.9], [0.9, 1]])


def x_shaped(p, d):
    parts = [stats.multivariate_normal.logpdf(p["x"], [0, 0], [[2, c], [c, 2]]) for c in (1.8, -1.8)]
    return special.logsumexp(parts) - np.log(2)


def two_modes(p, d):
    parts = [stats.multivariate_normal.logpdf(p["x"], [mean, 0], np.eye(2)) for mean in (-2, 2)]
    return special.logsumexp(parts) - np.log(2)


def funnel(p, d):
    return normal(p["v"], 0, 3) + normal(p["x"], 0, np.exp(p["v"] / 2))
