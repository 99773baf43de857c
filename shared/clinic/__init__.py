"""The clinic is a file: its policy, read and checked once. Pure: the standard library, pydantic and a holiday table."""

from shared.clinic.check import Report, check
from shared.clinic.errors import ClinicError, Problem
from shared.clinic.loader import load
from shared.clinic.model import Clinic
from shared.clinic.people import Licence, Person, Room

__all__ = ["Clinic", "ClinicError", "Licence", "Person", "Problem", "Report", "Room", "check", "load"]
