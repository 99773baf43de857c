import json

import pytest

from services.intake.adapters.mailbox import Mailbox, Unopened, seal_letter


@pytest.fixture
def mailbox(tmp_path):
    return Mailbox.load(tmp_path / "key.json", plain=False, create=True)


def test_a_letter_opens_only_with_the_key_that_it_was_closed_to(mailbox, tmp_path):
    letter = seal_letter(mailbox.public, b'{"name": "Maya"}').encode()
    assert mailbox.open(letter) == b'{"name": "Maya"}'
    other = Mailbox.load(tmp_path / "other.json", plain=False, create=True)
    with pytest.raises(Unopened, match="does-not-open"):
        other.open(letter)


def test_the_public_key_holds_nothing_private(mailbox):
    assert "d" not in mailbox.public


def test_the_key_is_made_once(tmp_path):
    first = Mailbox.load(tmp_path / "key.json", plain=False, create=True)
    assert Mailbox.load(tmp_path / "key.json", plain=False, create=True).public == first.public
    assert (tmp_path / "key.json").stat().st_mode & 0o077 == 0


def test_in_production_a_missing_key_stops_the_start(tmp_path):
    with pytest.raises(FileNotFoundError):
        Mailbox.load(tmp_path / "key.json", plain=False, create=False)


def test_plain_json_only_where_the_operator_allows_it(mailbox, tmp_path):
    with pytest.raises(Unopened, match="not-encrypted"):
        mailbox.open(b'{"name": "Maya"}')
    open_house = Mailbox.load(tmp_path / "key.json", plain=True, create=True)
    assert open_house.open(b'{"name": "Maya"}') == b'{"name": "Maya"}'


@pytest.mark.parametrize("letter", [b"", b"\x00\xff" * 50, b"a.b.c.d.e", b"....", b"[1]", b"x" * 10_000])
def test_noise_does_not_open(mailbox, letter):
    with pytest.raises(Unopened):
        mailbox.open(letter)


def test_a_changed_letter_does_not_open(mailbox):
    parts = seal_letter(mailbox.public, json.dumps({"name": "Maya"}).encode()).split(".")
    parts[3] = parts[3][::-1]
    with pytest.raises(Unopened):
        mailbox.open(".".join(parts).encode())
