"""Errors that say what to do next."""


class Transient(Exception):
    """It may work later: back off outside any transaction, then try again."""


class Permanent(Exception):
    """It will never work: to the dead letters, with this reason. The message holds no patient's data."""


class NotYet(Exception):
    """What this event needs from another source has not been seen: park it, apply it when it has.

    The message names what is missing ("LeadCreated").
    """
