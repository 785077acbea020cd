"""What the embedded hub's builder does for each task method, a module a family.

The order of the steps, the labels, the results and the texts of failures are those of the
recordings. :mod:`txkoji.testing.farm.handlers.failures` has the names that make builds fail.
Importing the package fills the table of handlers.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
