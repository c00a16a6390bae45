"""Writes exact reference draws for the posteriors of the embedded database that can be drawn from directly.

    sh scripts/setup.sh python        the versions of NumPy and ArviZ that the draws were made with
    .venv/bin/python scripts/exact_draws.py posteriordb
"""

import json
import sys
import zipfile
from pathlib import Path

import arviz
import numpy as np

CHAINS, DRAWS = 10, 1000


def normal_pair(rng, correlation, variance, size):
    """Centred normal pairs, one in each row."""
    covariance = variance * np.array([[1, correlation], [correlation, 1]])
    return rng.standard_normal((size, 2)) @ np.linalg.cholesky(covariance).T


def banana(rng, size):
    pair = normal_pair(rng, 0.9, 1, size)
    return {"x[1]": pair[:, 0], "x[2]": pair[:, 1] - pair[:, 0] ** 2 - 1}


def x_shaped(rng, size):
    rising, falling = normal_pair(rng, 0.9, 2, size), normal_pair(rng, -0.9, 2, size)
    pair = np.where(rng.random((size, 1)) < 0.5, rising, falling)
    return {"x[1]": pair[:, 0], "x[2]": pair[:, 1]}


def two_modes(rng, size):
    centre = np.where(rng.random(size) < 0.5, -2, 2)
    return {"x[1]": centre + rng.standard_normal(size), "x[2]": rng.standard_normal(size)}


def funnel(rng, size):
    v = 3 * rng.standard_normal(size)
    x = np.exp(v / 2)[:, None] * rng.standard_normal((size, 9))
    return {"v": v} | {f"x[{i + 1}]": x[:, i] for i in range(9)}


def asymmetric_modes(rng, size):
    component = np.searchsorted([0.9, 0.9997], rng.random(size))
    centres = np.array([[2, 0, 0], [-2, 0, 0], [0, 4, 0]])
    sds = np.array([0.5, 0.5, 0.3])
    x = centres[component] + sds[component, None] * rng.standard_normal((size, 3))
    return {f"x[{i + 1}]": x[:, i] for i in range(3)}


def ring(rng, size):
    """The radius is normal about 3, negative with a probability of 1e-23."""
    radius, angle = 3 + 0.3 * rng.standard_normal(size), rng.uniform(0, 2 * np.pi, size)
    return {"x[1]": radius * np.cos(angle), "x[2]": radius * np.sin(angle)}


# Each posterior has its own seed, so that changing one leaves the others as they are.
SOURCES = {
    "no_data-banana": (banana, 201),
    "no_data-x_shaped": (x_shaped, 202),
    "no_data-two_modes": (two_modes, 203),
    "no_data-funnel": (funnel, 204),
    "no_data-asymmetric_modes": (asymmetric_modes, 205),
    "no_data-ring": (ring, 206),
}


# When posteriors were added: the first four, and others.
FIRST, FIRST_DAY, ADDED = list(SOURCES)[:4], "2026-11-21", "2026-11-27"


def lag1_autocorrelation(chains):
    """The autocorrelation at lag one, averaged over the chains (rows)."""
    centred = chains - chains.mean(axis=1, keepdims=True)
    return float(np.mean((centred[:, 1:] * centred[:, :-1]).sum(axis=1) / (centred**2).sum(axis=1)))


def description(name, seed, draws, comments):
    bulk = [float(arviz.ess(chains, method="bulk")) for chains in draws.values()]
    tail = [float(arviz.ess(chains, method="tail")) for chains in draws.values()]
    r_hat = [float(arviz.rhat(chains)) for chains in draws.values()]
    lag1 = [lag1_autocorrelation(chains) for chains in draws.values()]
    return {
        "name": name,
        "inference": {
            "method": "exact",
            "method_arguments": {"chains": CHAINS, "draws": DRAWS, "seed": seed},
        },
        "diagnostics": {
            "diagnostic_information": {"names": list(draws)},
            "ndraws": CHAINS * DRAWS,
            "nchains": CHAINS,
            "effective_sample_size_bulk": bulk,
            "effective_sample_size_tail": tail,
            "r_hat": r_hat,
            "divergent_transitions": [],
            "expected_fraction_of_missing_information": [],
            "mean_lag1_ac": lag1,
        },
        "checks_made": {
            "ndraws_is_10k": CHAINS * DRAWS == 10_000,
            "nchains_is_gte_4": CHAINS >= 4,
            "r_hat_below_1_01": max(r_hat) < 1.01,
            "abs_mean_lag1_ac_below_0_05": max(map(abs, lag1)) < 0.05,
        },
        "comments": comments,
        "added_by": "The stanmatch developers",
        "added_date": FIRST_DAY if name in FIRST else ADDED,
        "versions": {"numpy": np.__version__, "arviz": arviz.__version__},
    }


def write_zip(path, text):
    """Writes the archive with a fixed date, so that the same draws give the same file."""
    entry = zipfile.ZipInfo(path.name.removesuffix(".zip"), date_time=(1980, 1, 1, 0, 0, 0))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, text, compress_type=zipfile.ZIP_DEFLATED, compresslevel=9)


def write_reference(root, name, seed, drawn, comments):
    """Writes the draws of each quantity, and their description, below `root`."""
    draws = {key: column.reshape(CHAINS, DRAWS) for key, column in drawn.items()}
    info = description(name, seed, draws, comments)
    failed = [check for check, passed in info["checks_made"].items() if not passed]
    if failed:
        sys.exit(f"the draws of {name} fail {', '.join(failed)}")
    chains = [
        {key: [float(f"{value:.7g}") for value in column[chain]] for key, column in draws.items()}
        for chain in range(CHAINS)
    ]
    write_zip(root / "draws" / f"{name}.json.zip", json.dumps(chains, separators=(",", ":")))
    (root / "info" / f"{name}.info.json").write_text(json.dumps(info, indent=2) + "\n")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = Path(sys.argv[1]) / "reference_posteriors" / "draws"
    comments = "Independent draws by scripts/exact_draws.py, from the distribution itself, not from a sampler."
    for name, (source, seed) in SOURCES.items():
        write_reference(root, name, seed, source(np.random.default_rng(seed), CHAINS * DRAWS), comments)


if __name__ == "__main__":
    main()
