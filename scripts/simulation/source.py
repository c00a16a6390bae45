"""Random numbers and the small algebra that the simulations share, from Python's standard library alone."""

import math
import random


class Source:
    """Random numbers made from uniform ones alone, so that they are the same everywhere."""

    def __init__(self, seed):
        self.generator = random.Random(seed)

    def uniform(self):
        return self.generator.random()

    def exponential(self):
        """A standard exponential number."""
        return -math.log(1 - self.uniform())

    def normal(self):
        """Box and Muller's transform, keeping one of the pair."""
        radius = math.sqrt(2 * self.exponential())
        return radius * math.cos(2 * math.pi * self.uniform())

    def bernoulli(self, probability):
        return int(self.uniform() < probability)

    def poisson(self, mean):
        """The number of unit-rate arrivals before `mean`."""
        count, arrival = 0, self.exponential()
        while arrival < mean:
            count += 1
            arrival += self.exponential()
        return count

    def gamma(self, shape):
        """A gamma number of unit scale with a whole shape: the sum of exponential ones."""
        return sum(self.exponential() for _ in range(shape))

    def normals(self, count):
        return [self.normal() for _ in range(count)]


def dot(row, coefficients):
    return sum(x * b for x, b in zip(row, coefficients))


def logistic(value):
    return 1 / (1 + math.exp(-value))


def rounded(values, digits=3):
    return [round(value, digits) for value in values]
