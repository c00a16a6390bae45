"""Data for time series models."""

import math

from .source import Source


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
