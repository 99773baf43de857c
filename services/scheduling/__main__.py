"""python -m services.scheduling"""

from services.scheduling.app import create
from services.scheduling.settings import Settings
from shared.http.server import run

if __name__ == "__main__":
    run(create, Settings())
