import subprocess
import sys
from pathlib import Path


def test_reading_an_experiment_imports_nothing_heavy():
    code = (
        "import sys; from pathlib import Path; from pipeline.config import load\n"
        "load('mnist_fashion', {}, Path('.'))\n"
        "print({'torch', 'numpy', 'pandas', 'mlflow', 'optuna', 'sklearn'} & set(sys.modules))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
