"""Data from processes in time and space: Gaussian and point processes, differential equations."""

import math

from .source import Source


def events(seed, row_count, column_count):
    """Counts of events in the cells of a grid over the unit square, whose log rate is a Gaussian field."""
    source = Source(seed)
    mu, sigma, length = 0, 1, 0.3

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
    return events(109, 28, 29)


def simulated_events_fine():
    """Events in the 8000 cells of a grid of 80 rows and 100 columns; too large to be embedded."""
    return events(110, 80, 100)
