"""Writes exact reference draws for the embedded posteriors whose modes are images of one another, or lie on a line.

    sh scripts/setup.sh python        the versions of NumPy and ArviZ that the draws were made with
    .venv/bin/python scripts/relabelled_draws.py posteriordb

Draws of one mode by rejection from a Student-t distribution about it; then each draw is relabelled, or its sign
changed, at random. The location of clusters is drawn by its distribution function, on a grid.
"""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
from exact_draws import write_reference

CHAINS, DRAWS = 10, 1000
SIZE = CHAINS * DRAWS


def log_sum_exp(terms, axis):
    largest = terms.max(axis=axis, keepdims=True)
    return np.squeeze(largest, axis) + np.log(np.exp(terms - largest).sum(axis=axis))


def softmax(x):
    """Probabilities from their log ratios to the last, with the log Jacobian."""
    logits = np.concatenate([x, np.zeros((len(x), 1))], axis=1)
    log_p = logits - log_sum_exp(logits, 1)[:, None]
    return np.exp(log_p), log_p.sum(axis=1)


def normal(x, mean, sd):
    return -0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)


class NormalMixture:
    """x: the means, log sigma, and log ratios of the shares to the last."""

    batches = 8

    def __init__(self, data):
        self.y, self.k = np.array(data["y"]), data["K"]

    def start(self):
        means = np.quantile(self.y, (np.arange(self.k) + 0.5) / self.k)
        return np.concatenate([means, [np.log(0.7)], np.zeros(self.k - 1)])

    def log_density(self, x):
        mu, log_sigma = x[:, : self.k], x[:, self.k]
        theta, log_jacobian = softmax(x[:, self.k + 1 :])
        terms = np.log(theta)[:, None, :] + normal(self.y[None, :, None], mu[:, None, :], np.exp(log_sigma)[:, None, None])
        priors = normal(mu, 0, 3).sum(1) + normal(np.exp(log_sigma), 0, 1) + np.log(theta).sum(1)
        return log_sum_exp(terms, 2).sum(1) + priors + log_sigma + log_jacobian

    def draws(self, x, rng):
        labels = np.array(list(itertools.permutations(range(self.k))))[rng.integers(np.prod(range(1, self.k + 1)), size=len(x))]
        mu, theta = x[:, : self.k], softmax(x[:, self.k + 1 :])[0]
        mu, theta = np.take_along_axis(mu, labels, 1), np.take_along_axis(theta, labels, 1)
        names = {f"mu[{k + 1}]": mu[:, k] for k in range(self.k)} | {"sigma": np.exp(x[:, self.k])}
        return names | {f"theta[{k + 1}]": theta[:, k] for k in range(self.k)}


class PoissonMixture:
    """x: the log rates and the log odds of the share."""

    batches = 8

    def __init__(self, data):
        self.y = np.array(data["y"])

    def start(self):
        return np.array([np.log(2.0), np.log(9.0), -0.4])

    def log_density(self, x):
        rates, theta = np.exp(x[:, :2]), 1 / (1 + np.exp(-x[:, 2]))
        shares = np.stack([theta, 1 - theta], 1)
        # The factorials of y are left out.
        terms = np.log(shares)[:, None, :] + self.y[None, :, None] * x[:, None, :2] - rates[:, None, :]
        priors = (x[:, :2] - 0.3 * rates).sum(1) + np.log(shares).sum(1)
        return log_sum_exp(terms, 2).sum(1) + priors + x[:, :2].sum(1) + np.log(shares).sum(1)

    def draws(self, x, rng):
        rates, theta = np.exp(x[:, :2]), 1 / (1 + np.exp(-x[:, 2]))
        swap = rng.random(len(x)) < 0.5
        rates = np.where(swap[:, None], rates[:, ::-1], rates)
        return {"lambda[1]": rates[:, 0], "lambda[2]": rates[:, 1], "theta": np.where(swap, 1 - theta, theta)}


class HiddenMarkov:
    """x: the means, and the log odds of staying."""

    batches = 8

    def __init__(self, data):
        self.y = np.array(data["y"])

    def start(self):
        return np.array([-1.5, 1.5, 2.0, 1.4])

    def log_density(self, x):
        mu, stay = x[:, :2], 1 / (1 + np.exp(-x[:, 2:]))
        log_stay, log_leave = np.log(stay), np.log1p(-stay)
        forward = normal(self.y[0], mu, 1) - np.log(2)
        for y in self.y[1:]:
            into = np.stack([np.logaddexp(forward[:, k] + log_stay[:, k], forward[:, 1 - k] + log_leave[:, 1 - k]) for k in (0, 1)], 1)
            forward = into + normal(y, mu, 1)
        # The prior, and the Jacobian of the log odds.
        shares = 2 * (log_stay + log_leave).sum(1)
        return log_sum_exp(forward, 1) + normal(mu, 0, 3).sum(1) + shares

    def draws(self, x, rng):
        mu, stay = x[:, :2], 1 / (1 + np.exp(-x[:, 2:]))
        swap = (rng.random(len(x)) < 0.5)[:, None]
        mu, stay = np.where(swap, mu[:, ::-1], mu), np.where(swap, stay[:, ::-1], stay)
        columns = {"mu[1]": mu[:, 0], "mu[2]": mu[:, 1]}
        # Stan writes the elements of an array's first entry apart: by columns.
        gamma = {"gamma[1,1]": stay[:, 0], "gamma[1,2]": 1 - stay[:, 0], "gamma[2,1]": 1 - stay[:, 1], "gamma[2,2]": stay[:, 1]}
        return columns | {name: gamma[name] for name in ("gamma[1,1]", "gamma[2,1]", "gamma[1,2]", "gamma[2,2]")}


class OneFactor:
    """x: the loadings and the log scales."""

    batches = 8

    def __init__(self, data):
        y = np.array(data["y"])
        self.n, self.scatter = len(y), y.T @ y

    def start(self):
        return np.concatenate([[0.9, 0.8, 0.7, -0.6, 0.5], np.log([0.5, 0.6, 0.7, 0.8, 0.9])])

    def log_density(self, x):
        j = x.shape[1] // 2
        load, log_sigma = x[:, :j], x[:, j:]
        precision = np.exp(-2 * log_sigma)
        # By Woodbury's identity.
        weighted = load * precision
        inner = 1 + (load * weighted).sum(1)
        quadratic = precision @ np.diag(self.scatter) - np.einsum("ni,ij,nj->n", weighted, self.scatter, weighted) / inner
        likelihood = -0.5 * quadratic - 0.5 * self.n * (2 * log_sigma.sum(1) + np.log(inner))
        # The Jacobian of the exponential cancels the lognormal's own.
        return likelihood + normal(load, 0, 1).sum(1) + normal(log_sigma, -0.4, 0.4).sum(1)

    def draws(self, x, rng):
        j = x.shape[1] // 2
        load = x[:, :j] * np.where(rng.random(len(x)) < 0.5, -1, 1)[:, None]
        return {f"lambda[{i + 1}]": load[:, i] for i in range(j)} | {f"sigma[{i + 1}]": np.exp(x[:, j + i]) for i in range(j)}


class RobustLocation:
    """One parameter, drawn by its distribution function."""

    def __init__(self, data):
        self.y = np.array(data["y"])

    def exact(self, rng):
        grid = np.linspace(-20, 20, 400_001)
        deviations = (self.y[None, :] - grid[:, None]) / 0.5
        log_p = -0.5 * (grid / 10) ** 2 - 1.5 * np.log1p(deviations**2 / 2).sum(1)
        cumulative = np.cumsum(np.exp(log_p - log_p.max()))
        return {"mu": np.interp(rng.random(SIZE), cumulative / cumulative[-1], grid)}


def one_mode(target, rng, rounds=4, batches=8, size=100_000):
    """Draws of the mode about the target's start, by rejection from a Student-t with 7 degrees of freedom."""
    centre = target.start()
    factor = 0.2 * np.eye(len(centre))
    for _ in range(rounds):
        points, log_weights = proposals(target, centre, factor, size, rng)
        weights = np.exp(log_weights - log_weights.max())
        weights /= weights.sum()
        centre = weights @ points
        factor = np.linalg.cholesky(np.cov(points.T, aweights=weights).reshape(len(centre), -1))
    # Every draw is kept with its probability under the largest ratio of all.
    drawn = [proposals(target, centre, factor, size, rng) for _ in range(batches)]
    bound = max(log_weights.max() for _, log_weights in drawn)
    draws = np.concatenate([points[np.log(rng.random(size)) < log_weights - bound] for points, log_weights in drawn])
    print(f"{len(draws)} of {batches * size} accepted", file=sys.stderr)
    if len(draws) < SIZE:
        sys.exit(f"only {len(draws)} draws were accepted")
    return draws[:SIZE]


def proposals(target, centre, factor, size, rng):
    degrees, dim = 7, len(centre)
    noise = rng.standard_normal((size, dim)) / np.sqrt(rng.chisquare(degrees, size) / degrees)[:, None]
    points = centre + noise @ factor.T
    log_t = -0.5 * (degrees + dim) * np.log1p((noise**2).sum(1) / degrees)
    parts = np.array_split(points, max(1, size // 5000))
    return points, np.concatenate([target.log_density(part) for part in parts]) - log_t


# Each posterior has its own seed, so that changing one leaves the others as they are.
SOURCES = {
    "simulated_clusters-robust_location": (RobustLocation, 231),
    "simulated_halves-normal_mixture": (NormalMixture, 232),
    "simulated_thirds-normal_mixture": (NormalMixture, 233),
    "simulated_arrivals-poisson_mixture": (PoissonMixture, 234),
    "simulated_states-hmm_unordered": (HiddenMarkov, 235),
    "simulated_tests-one_factor": (OneFactor, 236),
}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = Path(sys.argv[1])
    for name, (kind, seed) in SOURCES.items():
        data = json.loads((root / "data" / "data" / f"{name.split('-')[0]}.json").read_text())
        rng, target = np.random.default_rng(seed), kind(data)
        draws = target.exact(rng) if hasattr(target, "exact") else target.draws(one_mode(target, rng, batches=target.batches), rng)
        comments = "Independent draws by scripts/relabelled_draws.py: of one mode by rejection, then relabelled at random."
        write_reference(root / "reference_posteriors" / "draws", name, seed, draws, comments)


if __name__ == "__main__":
    main()
