"""One way to write a value down, so that two hashes of the same content are the same."""

import hashlib
import json
from typing import Any


def canonical(value: Any) -> str:
    """JSON with sorted keys, no spaces and no escapes: equal values give equal text.

    `value` is what `BaseModel.model_dump(mode="json")` gives: objects, arrays, text, whole numbers, true, false, null.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 over the canonical JSON, 64 hexadecimal characters."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
