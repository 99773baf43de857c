"""What is sealed opens with the right key and for the right person only."""

import base64
import json
import os
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.base import WrappedKey
from shared.security.keyring import KeyFileError, Keyring
from shared.security.lookup import Lookup
from shared.security.sealing import Box, Unsealable, open_record, seal_record
from shared.security.tokens import digest, looks_like_link, matches, new_token

ANNA, BEN = UUID(int=1), UUID(int=2)


def keyring(active="k1", **more):
    keys = {"k1": b"1" * 32, **more}
    return Keyring(active, keys, b"L" * 32)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_box_opens_what_it_sealed_and_seals_it_differently_each_time(text):
    box = Box(ANNA, b"k" * 32)
    once, twice = box.seal(text), box.seal(text)
    assert box.open(once) == box.open(twice) == text
    assert once != twice
    assert once.startswith("s1.")
    assert len(text) < 8 or text not in once


def test_json_goes_in_and_out():
    box = Box(ANNA, b"k" * 32)
    assert box.open_json(box.seal_json({"phone": "+13035550100", "email": None})) == {
        "phone": "+13035550100",
        "email": None,
    }


def test_another_person_another_key_or_a_changed_character_does_not_open():
    box = Box(ANNA, b"k" * 32)
    sealed = box.seal("afraid of needles")
    changed = sealed[:-2] + ("A" if sealed[-2] != "A" else "B") + sealed[-1]
    for other, text in ((Box(BEN, b"k" * 32), sealed), (Box(ANNA, b"x" * 32), sealed), (box, changed)):
        with pytest.raises(Unsealable):
            other.open(text)


@pytest.mark.parametrize("junk", ["", "s1.", "s1.%%%", "s1.AAAA", "r1.k1.AAAA", "plain words", "s1." + "A" * 200])
def test_junk_does_not_open(junk):
    with pytest.raises(Unsealable):
        Box(ANNA, b"k" * 32).open(junk)


def test_a_patients_key_travels_wrapped_and_is_bound_to_the_patient():
    ring = keyring()
    key = os.urandom(32)
    wrapped = ring.wrap(ANNA, key)
    assert ring.unwrap(ANNA, wrapped) == key
    with pytest.raises(Unsealable):
        ring.unwrap(BEN, wrapped)


def test_after_rotation_old_keys_still_open_and_new_ones_close():
    old = keyring()
    wrapped = old.wrap(ANNA, b"d" * 32)
    rotated = keyring("k2", k2=b"2" * 32)
    assert rotated.unwrap(ANNA, wrapped) == b"d" * 32
    assert rotated.wrap(ANNA, b"d" * 32).kid == "k2"
    with pytest.raises(Unsealable):
        old.unwrap(ANNA, rotated.wrap(ANNA, b"d" * 32))


def test_records_name_their_key_and_keep_to_their_purpose():
    ring = keyring()
    sealed = seal_record(ring, b"raw bytes", purpose="dead-letters")
    assert sealed.startswith("r1.k1.")
    assert open_record(keyring("k2", k2=b"2" * 32), sealed, purpose="dead-letters") == b"raw bytes"
    for wrong in (sealed.replace("k1", "k9"), sealed[:-3] + "AAA", "r1.", "", "s1.AAAA"):
        with pytest.raises(Unsealable):
            open_record(ring, wrong, purpose="dead-letters")
    with pytest.raises(Unsealable):
        open_record(ring, sealed, purpose="totp")


def test_forgetting_drops_what_was_remembered():
    ring = keyring()
    wrapped = ring.wrap(ANNA, b"d" * 32)
    ring.unwrap(ANNA, wrapped)
    ring.forget(ANNA)
    with pytest.raises(Unsealable):
        ring.unwrap(ANNA, WrappedKey(kid="k9", wrapped=wrapped.wrapped))


def test_the_same_value_hashes_the_same_within_its_kind():
    lookup = Lookup(keyring())
    assert lookup.hash("phone", "+13035550100") == lookup.hash("phone", "+13035550100")
    assert lookup.hash("phone", "x") != lookup.hash("email", "x")
    assert lookup.hash("phone", "x") != Lookup(Keyring("k1", {"k1": b"1" * 32}, b"M" * 32)).hash("phone", "x")


def test_a_key_file_is_read_and_a_bad_one_is_named_without_its_content(tmp_path):
    def b64(raw):
        return base64.b64encode(raw).decode()

    good = {"active": "k1", "keys": {"k1": b64(b"1" * 32)}, "lookup": b64(b"L" * 32)}
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(good))
    assert Keyring.load(path).unwrap(ANNA, keyring().wrap(ANNA, b"d" * 32)) == b"d" * 32
    secret = b64(b"short")
    for bad in ("nonsense", json.dumps({**good, "active": "k2"}), json.dumps({**good, "lookup": secret}), "{}"):
        path.write_text(bad)
        with pytest.raises(KeyFileError) as raised:
            Keyring.load(path)
        assert secret not in str(raised.value)
    with pytest.raises(KeyFileError):
        Keyring.load(tmp_path / "missing.json")


def test_link_tokens_have_22_characters_and_only_their_hash_is_needed():
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(len(token) == 22 and looks_like_link(token) for token in tokens)
    token = tokens.pop()
    assert matches(token, digest(token))
    assert not matches(new_token(), digest(token))
    for junk in ("", "short", "a" * 23, "../../etc/passwd/aaaaaa", "a" * 21 + "\x00", "a" * 21 + "\u202e"):
        assert not looks_like_link(junk)


def test_boxes_of_many_people_do_not_mix():
    boxes = [Box(uuid4(), os.urandom(32)) for _ in range(20)]
    sealed = [box.seal("mine") for box in boxes]
    for i, box in enumerate(boxes):
        assert box.open(sealed[i]) == "mine"
        with pytest.raises(Unsealable):
            box.open(sealed[i - 1])


def test_a_changed_key_file_is_taken_over_while_the_process_runs(tmp_path, monkeypatch):
    def write(active, keys, lookup=b"L"):
        told = {"active": active, "keys": {kid: base64.b64encode(k * 32).decode() for kid, k in keys.items()}}
        path.write_text(json.dumps({**told, "lookup": base64.b64encode(lookup * 32).decode()}))

    path = tmp_path / "keys.json"
    write("k1", {"k1": b"1"})
    ring = Keyring.load(path)
    before = ring.wrap(ANNA, b"d" * 32)
    write("k2", {"k1": b"1", "k2": b"2"})
    after = Keyring.load(path).wrap(ANNA, b"d" * 32)
    assert ring.unwrap(ANNA, after) == b"d" * 32, "a key that it does not know makes it look"
    assert ring.active == "k2"
    for wrong in ((("k3", {"k3": b"3"}), b"M"), (("k9", {"k3": b"3"}), b"L")):
        write(*wrong[0], lookup=wrong[1])
        with pytest.raises(Unsealable):
            ring.derive("x", "k3")
        assert (ring.active, ring.unwrap(ANNA, before)) == ("k2", b"d" * 32)
    monkeypatch.setattr("shared.security.keyring.LOOK_SECONDS", 0.0)
    write("k4", {"k4": b"4"})
    assert (ring.active, ring.ids) == ("k4", frozenset({"k4"}))
    with pytest.raises(Unsealable):
        ring.derive("x", "k1")
    path.unlink()
    assert ring.active == "k4"
