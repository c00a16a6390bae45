"""The simulations of the embedded database's data sets, by kind of model."""
