"""Why something cannot be done, in words for the person who tried, with what to do instead."""


class Refused(Exception):
    """`code` is stable for programs; `detail` and `remedy` are for people; `field` names the input, if any."""

    def __init__(self, code: str, detail: str, remedy: str = "", field: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.remedy = remedy
        self.field = field


class Unknown(Refused):
    """There is no such thing here."""


class Conflicting(Refused):
    """Somebody or something was faster; what the person saw is no longer so."""


class NotEntitled(Refused):
    """This person may not do this today."""


class Invalid(Refused):
    """The input doesn't fit what the chart or the clinic's file allows."""
