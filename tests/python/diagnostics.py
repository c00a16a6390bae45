"""The draws and ArviZ's diagnostics of them in tests/fixtures/diagnostics.json, which src/diagnostics is compared with.

    python tests/python/diagnostics.py      writes the fixture; needs arviz<1
"""

import json
import pathlib

import arviz
import numpy as np

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "diagnostics.json"


def autoregressive(rng, chains, draws, coefficient):
    noise = rng.normal(size=(chains, draws))
    for t in range(1, draws):
        noise[:, t] += coefficient * noise[:, t - 1]
    return noise


def cases():
    """Chains of every kind that the formulas treat differently, rounded so that the file stays small."""
    rng = np.random.default_rng(20210601)
    yield "independent", rng.normal(size=(4, 100))
    yield "odd_length", rng.normal(size=(3, 101))
    yield "slow", autoregressive(rng, 4, 200, 0.9)
    yield "alternating", autoregressive(rng, 4, 200, -0.7)
    yield "heavy_tails", rng.standard_cauchy(size=(4, 150))
    yield "one_chain_elsewhere", rng.normal(size=(4, 100)) + np.array([[0.0], [0.0], [0.0], [1.5]])
    yield "one_chain_wider", rng.normal(size=(4, 100)) * np.array([[1.0], [1.0], [1.0], [4.0]])
    yield "counts", rng.poisson(3.0, size=(4, 100)).astype(float)
    yield "short", rng.normal(size=(2, 5))
    yield "large_offset", 1e6 + rng.normal(size=(4, 100))
    yield "tiny_scale", 1e-8 * rng.normal(size=(4, 100))


def diagnostics(draws):
    """ArviZ's values, as a dictionary."""
    return {
        "r_hat": arviz.rhat(draws),
        "ess_bulk": arviz.ess(draws, method="bulk"),
        "ess_tail": arviz.ess(draws, method="tail"),
        "ess_mean": arviz.ess(draws, method="mean"),
        "ess_sd": arviz.ess(draws, method="sd"),
        "ess_median": arviz.ess(draws, method="median"),
        "mcse_mean": arviz.mcse(draws, method="mean"),
        "mcse_sd": arviz.mcse(draws, method="sd"),
        "mcse_q90": arviz.mcse(draws, method="quantile", prob=0.9),
        "efmi": arviz.bfmi(draws),
        "lag1": [float(arviz.autocorr(chain)[1]) for chain in draws],
    }


def main():
    document = []
    for name, draws in cases():
        draws = np.vectorize(lambda x: float(f"{x:.7g}"))(draws) if name != "large_offset" else draws.round(4)
        values = {key: np.asarray(value, dtype=float).tolist() for key, value in diagnostics(draws).items()}
        document.append({"name": name, "draws": draws.tolist(), "values": values})
    FIXTURE.write_text(json.dumps(document, indent=None, separators=(",", ":")).replace('},{"name"', '},\n{"name"') + "\n")


if __name__ == "__main__":
    main()
