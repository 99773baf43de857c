"""python -m services.identity"""

from services.identity.app import create
from services.identity.settings import IdentitySettings
from shared.http.server import run

if __name__ == "__main__":
    run(create, IdentitySettings())
