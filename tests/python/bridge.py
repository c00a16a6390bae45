"""Loads the programs of tests/bridge with the PyPI package bridgestan, and writes what it computes to
tests/fixtures/bridge.json, with which tests/bridge.rs compares the Rust crate.

    python tests/python/bridge.py      writes the fixture; needs stanmatch, built with `cargo build --release`
"""

import functools
import json
import os
import pathlib
import subprocess

import bridgestan
import numpy as np

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FIXTURE = REPOSITORY / "tests" / "fixtures" / "bridge.json"

DATA = {
    "empty": {},
    "normal": {"N": 4, "y": [0.5, 2.25, -1.0, 3.5]},
    "constrained": {"K": 3},
    "containers": {},
    "decay": {"N": 3, "t": [0.5, 1.0, 2.5], "y": [1.2, 0.9, 0.3]},
}


def stanmatch():
    """The binary: that of the environment variable STANMATCH, else the one that `cargo build --release` leaves."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    return os.environ.get("STANMATCH", target / "release" / "stanmatch")


@functools.cache
def library(program, ad_hessian=False):
    """The shared library of a program of tests/bridge."""
    file = REPOSITORY / "tests" / "bridge" / f"{program}.stan"
    command = [stanmatch(), "compile", file] + (["--ad-hessian"] if ad_hessian else [])
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def load(program, data=None, seed=1, ad_hessian=False):
    """The model of a program of tests/bridge; without data, with those of the fixture."""
    data = DATA.get(program, {}) if data is None else data
    return bridgestan.StanModel(library(program, ad_hessian), data, seed=seed, warn=False)


def points(dim):
    """Three points."""
    grid = np.arange(dim)
    return [np.full(dim, 0.2), np.sin(1 + grid), 0.3 * np.cos(2 * grid) - 0.1]


def direction(dim):
    """A vector for Hessian-vector products."""
    return np.cos(0.5 + np.arange(dim))


TERMS = [{"propto": propto, "jacobian": jacobian} for propto in (False, True) for jacobian in (False, True)]


def evaluate(model, theta, terms):
    value, gradient = model.log_density_gradient(theta, **terms)
    product = model.log_density_hessian_vector_product(theta, direction(theta.size), **terms)[1]
    return {
        "theta_unc": theta.tolist(),
        "constrained": model.param_constrain(theta, include_tp=True).tolist(),
        "log_density": model.log_density(theta, **terms),
        "gradient": gradient.tolist(),
        "hessian_vector_product": product.tolist(),
    }


def case(program):
    """What a program's model says of itself and computes at three points."""
    model = load(program)
    dim = model.param_unc_num()
    return {
        "program": program,
        "data": DATA[program],
        "names": model.param_names(include_tp=True, include_gq=True),
        "num": model.param_num(),
        "unconstrained_names": model.param_unc_names(),
        "direction": direction(dim).tolist(),
        "evaluations": [{**terms, **evaluate(model, theta, terms)} for theta in points(dim) for terms in TERMS],
        "hessian": model.log_density_hessian(points(dim)[1])[2].tolist(),
    }


if __name__ == "__main__":
    cases = ",\n".join(json.dumps(case(program)) for program in DATA)
    FIXTURE.write_text(f"[\n{cases}\n]\n")
