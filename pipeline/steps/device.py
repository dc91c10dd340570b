"""Where a step trains, and which device `auto` means: the driver is asked, and torch not imported to find out."""

import ctypes
import hashlib
import importlib.metadata

from pipeline import pretrained
from pipeline.config import Experiment
from pipeline.config.trunks import Torchvision
from pipeline.errors import UserError
from pipeline.files import check_regular
from pipeline.plugins import fingerprint
from pipeline.tracking import tags


def resolve_device(experiment: Experiment) -> str:
    """`cpu` or `cuda`.

    Raises:
        UserError: `cuda` is asked for and the driver reports no GPU.
    """
    if experiment.device == "cpu":
        return "cpu"
    if _gpus():
        return "cuda"
    if experiment.device == "cuda":
        raise UserError("device=cuda: the driver reports no GPU here; use device=cpu or auto")
    return "cpu"


def on_device(experiment: Experiment, device: str) -> Experiment:
    """The experiment as it trains: on a device that is resolved."""
    return experiment.model_copy(update={"device": device})


def exactness(experiment: Experiment, device: str) -> dict[str, object]:
    """What a result depends on beyond what is computed; part of a key.

    A GPU's batched products agree for other sizes of the stack within a tolerance only, so there the size counts.
    """
    slots = {"slots": experiment.slots} if device == "cuda" else {}
    return {"device": device, **slots, **_plugins(experiment)}


def exactness_tags(experiment: Experiment) -> dict[str, str]:
    """Says of a run whose networks may be trained on unlike machines that its results are not exact."""
    return {tags.MIXED: "machines of several kinds: equal within a tolerance"} if experiment.mixed else {}


def _plugins(experiment: Experiment) -> dict[str, object]:
    """Code and weights that come from outside of this package, if any.

    Raises:
        UserError: They are not there.
    """
    trunk = experiment.model.trunk
    found = {path: fingerprint(path) for path in experiment.own_paths}
    if experiment.tokenizer:
        versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in pretrained.PACKAGES)
        found[experiment.tokenizer] = f"{pretrained.fingerprint(experiment.tokenizer, weights=True)}, {versions}"
    if isinstance(trunk, Torchvision) and trunk.weights not in (None, "default"):
        found[trunk.weights] = _checksum(trunk.weights)
    return {"plugins": found} if found else {}


def _checksum(path: str) -> str:
    check_regular(path, "model.trunk.weights")
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise UserError(f"model.trunk.weights: {path} cannot be read ({error.strerror})") from None


def gpu_name() -> str:
    """What the driver calls the first GPU; `a GPU` where it does not tell."""
    driver = _driver()
    device, name = ctypes.c_int(0), ctypes.create_string_buffer(100)
    if driver is None or driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), 0):
        return "a GPU"
    return "a GPU" if driver.cuDeviceGetName(name, len(name), device) else name.value.decode(errors="replace")


def cuda() -> tuple[int, int]:
    """Number of GPUs that the driver reports, and the CUDA version that it has, 12080 for 12.8; zeros without one."""
    driver, version = _driver(), ctypes.c_int(0)
    if driver is None or driver.cuDriverGetVersion(ctypes.byref(version)):
        return 0, 0
    return _gpus(), version.value


def _gpus() -> int:
    """Number of GPUs that the CUDA driver reports; 0 without a driver."""
    driver, count = _driver(), ctypes.c_int(0)
    if driver is None or driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def _driver() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
