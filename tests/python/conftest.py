"""The tests mean the embedded database, whatever database the environment names."""

import os

os.environ.pop("POSTERIORDB", None)
