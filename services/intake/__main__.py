"""`python -m services.intake`."""

from services.intake.app import create
from services.intake.settings import IntakeSettings
from shared.http.server import run

if __name__ == "__main__":
    run(create, IntakeSettings())
