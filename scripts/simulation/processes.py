"""Data from processes in time and space: Gaussian and point processes, differential equations."""

import math

from .source import Source


def events(seed, row_count, column_count, mu, sigma):
    """Counts of events in the cells of a grid over the unit square, whose log rate is a Gaussian field."""
    source = Source(seed)
    length = 0.3

    def correlated(lines):
        """Makes neighbouring lines correlated as an exponential covariance does: a first-order autoregression."""
        correlation = math.exp(-1 / (length * len(lines)))
        result = [lines[0]]
        for line in lines[1:]:
            result.append([correlation * a + math.sqrt(1 - correlation**2) * b for a, b in zip(result[-1], line)])
        return result

    noise = [source.normals(column_count) for _ in range(row_count)]
    across = correlated(list(zip(*correlated(noise))))
    field = list(zip(*across))
    counts = [[source.poisson(math.exp(mu + sigma * value)) for value in line] for line in field]
    return {"R": row_count, "C": column_count, "y": counts}


def simulated_events():
    """Events in the 812 cells of a grid of 28 rows and 29 columns."""
    return events(109, 28, 29, -1, 0.8)


def simulated_events_fine():
    """Events in the 8000 cells of a grid of 80 rows and 100 columns; too large to be embedded."""
    return events(110, 80, 100, 0, 1)


def simulated_curve():
    """A smooth curve at thirty places, with noise."""
    source = Source(115)
    x = [round(20 * source.uniform() - 10, 2) for _ in range(30)]
    y = [round(1.5 * math.sin(0.4 * place) + 0.1 * place + 0.5 * source.normal(), 3) for place in x]
    return {"N": len(x), "x": x, "y": y}


def solution(change, state, times, step):
    """The states at increasing times of whole steps, from the time 0, by the classical Runge-Kutta method."""
    def moved(slope, size):
        return [value + size * rate for value, rate in zip(state, slope)]

    states, index = [], 0
    for time in times:
        while index < round(time / step):
            start = index * step
            first = change(start, state)
            second = change(start + step / 2, moved(first, step / 2))
            third = change(start + step / 2, moved(second, step / 2))
            fourth = change(start + step, moved(third, step))
            slope = [(a + 2 * b + 2 * c + d) / 6 for a, b, c, d in zip(first, second, third, fourth)]
            state, index = moved(slope, step), index + 1
        states.append(state)
    return states


def simulated_populations():
    """Twenty years of prey and predators, with log-normal errors."""
    source = Source(116)
    theta, sigma = [0.55, 0.028, 0.80, 0.024], 0.25

    def change(_, z):
        return [(theta[0] - theta[1] * z[1]) * z[0], (-theta[2] + theta[3] * z[0]) * z[1]]

    years = list(range(21))
    states = solution(change, [30, 6], years, 1 / 128)
    seen = [[round(value * math.exp(sigma * source.normal()), 1) for value in state] for state in states]
    return {"N": 20, "ts": years[1:], "y_init": seen[0], "y": seen[1:]}


def simulated_concentrations():
    """Twenty concentrations of a drug that is absorbed at a constant rate and eliminated by a saturable process."""
    source = Source(117)
    dose, volume, k_a, k_m, v_m, sigma = 30, 2, 1.2, 3, 4, 0.05

    def change(time, state):
        absorbed = math.exp(-k_a * time) * dose * k_a / volume
        return [absorbed - v_m / volume * state[0] / (k_m + state[0])]

    times = [0.5 * index for index in range(1, 21)]
    states = solution(change, [0], times, 1 / 128)
    seen = [round(state[0] * math.exp(sigma * source.normal()), 3) for state in states]
    return {"t0": 0, "D": dose, "V": volume, "N_t": len(times), "times": times, "C_hat": seen}
