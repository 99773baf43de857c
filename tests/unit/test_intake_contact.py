from datetime import date

from services.intake.domain.contact import Contact, Details, learn
from shared.contracts.intake import Channel

KNOWN = Details(name="Maya Lindqvist", phone="+18015550148")


def contact(**fields):
    return Contact(channel=Channel.WEB, language="en", **fields)


def test_gaps_are_filled():
    learned = learn(KNOWN, contact(email="maya@example.com", date_of_birth=date(1984, 3, 9)), open_to_new=True)
    assert learned.details == Details("Maya Lindqvist", "+18015550148", "maya@example.com", date(1984, 3, 9))
    assert learned.changed == ("email", "date_of_birth")
    assert learned.differs == ()


def test_nothing_is_overwritten_by_whoever_knows_the_number():
    learned = learn(Details("Maya", "+18015550148", "maya@example.com"), contact(name="Jonah", email="x@example.com"),
                    open_to_new=True)  # fmt: skip
    assert learned.changed == ()
    assert learned.differs == ("name", "email")
    assert learned.details.email == "maya@example.com"


def test_once_an_appointment_stands_a_public_door_adds_no_address():
    learned = learn(KNOWN, contact(email="x@example.com"), open_to_new=False)
    assert (learned.changed, learned.differs) == ((), ("email",))


def test_of_somebody_of_another_name_nothing_is_taken_over():
    """A son writes with his mother's telephone: his address and his birthday are not hers."""
    learned = learn(
        KNOWN,
        contact(name="Jonah Lindqvist", email="jonah@example.com", date_of_birth=date(2004, 3, 9)),
        open_to_new=True,
    )
    assert (learned.details, learned.changed) == (KNOWN, ())
    assert learned.differs == ("name", "email", "date_of_birth")


def test_a_short_form_of_the_name_is_no_difference():
    assert learn(KNOWN, contact(name="maya"), open_to_new=True).differs == ()


def test_addresses_are_claimed_in_one_order():
    assert [kind for kind, _ in contact(phone="+18015550148", email="a@example.com").points()] == ["email", "phone"]
