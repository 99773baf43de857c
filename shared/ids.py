"""Ids are uuid7: sorted roughly by creation for the index's sake. No order may ever be read from them."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A fresh id, as the standard library's UUID."""
    return uuid7()
