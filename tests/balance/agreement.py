"""How closely each balancing method agrees with its paper: the most that `test_papers` finds.

python -m tests.balance.agreement
"""

import sys

import pytest

from tests.balance import test_papers

if __name__ == "__main__":
    failed = pytest.main(["-q", "-p", "no:xdist", "-o", "addopts=", test_papers.__file__])
    for method, worst in sorted(test_papers.WORST.items()):
        print(f"{method:14} {worst:.0e}")
    sys.exit(failed)
