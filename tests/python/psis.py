"""Writes tests/fixtures/psis.json: importance ratios with ArviZ's smoothed weights and k-hat, for the Rust tests."""

import json
import pathlib

import arviz
import numpy as np

FIXTURE = pathlib.Path(__file__).parents[1] / "fixtures" / "psis.json"


def cases():
    rng = np.random.default_rng(20260101)
    heavy = rng.standard_t(3, size=500)
    yield "normal ratios", rng.normal(size=400)
    yield "wide normal ratios", 3.0 * rng.normal(size=1000)
    yield "Pareto tail", -0.6 * np.log(rng.uniform(size=600))
    yield "normal target, t proposal", -0.5 * heavy**2 + 2.0 * np.log1p(heavy**2 / 3)
    yield "offset by a constant", rng.normal(size=300) - 4321.0
    yield "few draws", rng.normal(size=40)


def smoothed(log_ratios):
    """ArviZ's k-hat and smoothed log weights, as a dictionary."""
    log_weights, k = arviz.psislw(log_ratios)
    return {"pareto_k": float(k), "log_weights": np.round(log_weights, 12).tolist()}


def main():
    rows = []
    for name, log_ratios in cases():
        log_ratios = np.round(log_ratios, 6)
        rows.append({"name": name, "log_ratios": log_ratios.tolist(), **smoothed(log_ratios)})
    FIXTURE.write_text(json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
