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


def simulated_autoregression():
    """A stationary autoregression of order three."""
    source = Source(118)
    alpha, beta, sigma = 0.4, [0.5, 0.3, -0.2], 0.7
    series = [1.0, 1.0, 1.0]
    for _ in range(300):
        series.append(alpha + sum(b * y for b, y in zip(beta, reversed(series))) + sigma * source.normal())
    observed = [round(y, 3) for y in series[-200:]]
    return {"K": len(beta), "T": len(observed), "y": observed}


def simulated_arma():
    """An autoregression with a moving average, both of order one."""
    source = Source(119)
    mu, phi, theta, sigma = 0.5, 0.7, 0.4, 0.5
    state, error, observed = mu / (1 - phi), 0, []
    for _ in range(200):
        previous, error = error, sigma * source.normal()
        state = mu + phi * state + theta * previous + error
        observed.append(round(state, 3))
    return {"T": len(observed), "y": observed}


def simulated_volatility():
    """Returns whose variance follows the last return and the last variance."""
    source = Source(120)
    mu, alpha0, alpha1, beta1 = 0.1, 0.2, 0.3, 0.5
    variance, observed = 1, []
    for _ in range(400):
        shock = math.sqrt(variance) * source.normal()
        observed.append(round(mu + shock, 3))
        variance = alpha0 + alpha1 * shock**2 + beta1 * variance
    return {"T": len(observed), "y": observed, "sigma1": 1}


def simulated_switches():
    """A series that switches between two levels."""
    source = Source(121)
    levels, leaving = [4, 7], [0.1, 0.2]
    state, observed = 0, []
    for _ in range(150):
        observed.append(round(levels[state] + source.normal(), 3))
        if source.uniform() < leaving[state]:
            state = 1 - state
    return {"N": len(observed), "K": 2, "y": observed}


def simulated_mixture():
    """Values of two normal distributions that overlap."""
    source = Source(122)
    observed = []
    for _ in range(500):
        mean, sd = (-1.5, 0.7) if source.uniform() < 0.35 else (1.2, 1.1)
        observed.append(round(mean + sd * source.normal(), 3))
    return {"N": len(observed), "y": observed}


def simulated_returns():
    """Returns whose log volatility is a first-order autoregression."""
    source = Source(123)
    mu, phi, sigma = -1, 0.9, 0.5
    log_variance = mu + sigma / math.sqrt(1 - phi**2) * source.normal()
    observed = []
    for _ in range(500):
        observed.append(round(math.exp(log_variance / 2) * source.normal(), 3))
        log_variance = mu + phi * (log_variance - mu) + sigma * source.normal()
    return {"T": len(observed), "y": observed}


def simulated_levels():
    """A random walk of 1000 steps seen through noise, except at fifty of them."""
    source = Source(124)
    level, times, observed = 0, [], []
    for time in range(1, 1001):
        level += 0.5 * source.normal()
        if not 600 < time <= 650:
            times.append(time)
            observed.append(round(level + source.normal(), 3))
    return {"T": 1000, "N": len(times), "time": times, "y": observed, "sigma_level": 0.5, "sigma_noise": 1}
