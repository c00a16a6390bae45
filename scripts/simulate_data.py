"""Writes the simulated data sets of the embedded database.

    python3 scripts/simulate_data.py posteriordb/data/data

Each data set has its own seed, so that changing one leaves the others as they are.
Only Python's standard library is used: its uniform generator gives the same numbers in every version.
"""

import json
import math
import random
import sys
from pathlib import Path


class Source:
    """Random numbers made from uniform ones alone, so that they are the same everywhere."""

    def __init__(self, seed):
        self.generator = random.Random(seed)

    def uniform(self):
        return self.generator.random()

    def normal(self):
        """Box and Muller's transform, keeping one of the pair."""
        radius = math.sqrt(-2 * math.log(1 - self.uniform()))
        return radius * math.cos(2 * math.pi * self.uniform())

    def bernoulli(self, probability):
        return int(self.uniform() < probability)

    def poisson(self, mean):
        """The number of unit-rate arrivals before `mean`."""
        count, arrival = 0, -math.log(1 - self.uniform())
        while arrival < mean:
            count += 1
            arrival -= math.log(1 - self.uniform())
        return count


def dot(row, coefficients):
    return sum(x * b for x, b in zip(row, coefficients))


def logistic(value):
    return 1 / (1 + math.exp(-value))


def simulated_binary():
    """Binary outcomes; neighbouring predictors are correlated at 0.7."""
    source = Source(101)
    alpha, beta = -0.5, [1.2, -0.8, 0.5, 0, 0, 0.9, -0.4]
    rows, outcomes = [], []
    for _ in range(200):
        row = [source.normal()]
        while len(row) < len(beta):
            row.append(0.7 * row[-1] + math.sqrt(1 - 0.7**2) * source.normal())
        row = [round(x, 3) for x in row]
        rows.append(row)
        outcomes.append(source.bernoulli(logistic(alpha + dot(row, beta))))
    return {"N": len(rows), "K": len(beta), "X": rows, "y": outcomes}


def simulated_counts():
    """Counts in sixteen groups of very different sizes, with two predictors."""
    source = Source(102)
    alpha, beta, tau = 0.8, [0.4, -0.3], 0.5
    rows, groups, counts = [], [], []
    group_sizes = [1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 10, 12, 14, 18, 25, 40]
    for group, size in enumerate(group_sizes, start=1):
        effect = tau * source.normal()
        for _ in range(size):
            row = [round(source.normal(), 3), source.bernoulli(0.5)]
            rows.append(row)
            groups.append(group)
            counts.append(source.poisson(math.exp(alpha + effect + dot(row, beta))))
    return {
        "N": len(rows),
        "K": len(beta),
        "J": len(group_sizes),
        "X": rows,
        "group": groups,
        "y": counts,
    }


def simulated_trend():
    """A linear trend over years whose predictors are neither centred nor of one scale."""
    source = Source(103)
    alpha, beta, sigma = -150, [0.08, 0.0002, -0.05, 1.5], 2
    rows, responses = [], []
    for index in range(100):
        income = round(30000 * math.exp(0.4 * source.normal()))
        age = 20 + math.floor(50 * source.uniform())
        row = [1970 + index // 2, income, age, source.bernoulli(0.4)]
        rows.append(row)
        responses.append(round(alpha + dot(row, beta) + sigma * source.normal(), 2))
    return {"N": len(rows), "K": len(beta), "X": rows, "y": responses}


def simulated_series():
    """An AR(1) series about a mean, seen through noise."""
    source = Source(104)
    mu, phi, sigma_state, sigma_noise = 1.5, 0.8, 0.6, 0.5
    state = mu + sigma_state / math.sqrt(1 - phi**2) * source.normal()
    observed = []
    for _ in range(120):
        observed.append(round(state + sigma_noise * source.normal(), 3))
        state = mu + phi * (state - mu) + sigma_state * source.normal()
    return {"T": len(observed), "y": observed}


def main():
    directory = Path(sys.argv[1])
    for data_set in (simulated_binary, simulated_counts, simulated_trend, simulated_series):
        text = json.dumps(data_set(), separators=(",", ":"))
        (directory / f"{data_set.__name__}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
