"""Take out of the image's environment what Passage never imports: a quarter of its size.

`python deploy/image/slim.py /opt/venv`; `make test-compose` runs the product without them.
"""

import shutil
import sys
from pathlib import Path

NEVER_IMPORTED = (
    "phonenumbers/geodata",  # names of places by number; we ask for validity, type and zone only
    "twilio/rest",  # the generated client of all of Twilio's products; we use the signature check and TwiML
)


def main(environment: Path) -> None:
    """Delete them.

    Raises:
        SystemExit: one isn't where it was; the list above is out of date.
    """
    packages = next(environment.glob("lib/python3*/site-packages"))
    for name in NEVER_IMPORTED:
        if not (packages / name).is_dir():
            sys.exit(f"{name} is no longer there: look what became of it, and correct {Path(__file__).name}")
        shutil.rmtree(packages / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
