"""Asks a Ray cluster what it is, in a process of its own: Ray's client waits for 40 s, and can end its process.

Run as a program with an address, or `auto`; prints one line of JSON.
"""

import json
import logging
import sys
from typing import Any


def _answer(address: str) -> dict[str, Any]:
    """The cluster's `address`, versions of `ray` and `python`, `nodes`, and whether one is `here`; or a `problem`."""
    logging.disable()
    from ray._private import services
    from ray._raylet import GcsClient  # type: ignore[attr-defined]
    from ray.exceptions import AuthenticationError

    try:
        found = services.canonicalize_bootstrap_address(address)
    except Exception:  # it raises several, with long messages
        found = None
    if found is None:
        return {"problem": "none"}
    try:
        client = GcsClient(address=found)
        about = json.loads(client.internal_kv_get(b"CLUSTER_METADATA", namespace=b"cluster"))
        nodes = {key.hex() for key, it in client.get_all_node_info(timeout=5).items() if it.state == 0}
    except AuthenticationError:
        return {"problem": "token", "address": found}
    except Exception as error:
        return {"problem": "other", "address": found, "error": type(error).__name__}
    return {
        "address": found,
        "ray": about["ray_version"],
        "python": about["python_version"],
        "nodes": len(nodes),
        "here": not nodes.isdisjoint(services.find_node_ids()),
    }


if __name__ == "__main__":
    print(json.dumps(_answer(sys.argv[1])))
