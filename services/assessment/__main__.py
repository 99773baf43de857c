"""python -m services.assessment"""

from services.assessment.app import create
from services.assessment.settings import Settings
from shared.http.server import run

if __name__ == "__main__":
    run(create, Settings())
