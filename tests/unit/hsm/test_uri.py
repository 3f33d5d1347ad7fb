"""Names of keys in tokens, after RFC 7512."""

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deepseek_local.errors import HSMError
from deepseek_local.hsm.uri import ObjectType, TokenURI, parse

MODULE = "module-path=/usr/lib/softhsm/libsofthsm2.so"
SECRET = "7391"

texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=12)
places = st.lists(texts.filter(lambda text: "/" not in text), min_size=1, max_size=3).map(
    lambda parts: Path("/" + "/".join(parts))
)
uris = st.builds(
    TokenURI,
    module_path=places,
    token=st.none() | texts,
    manufacturer=st.none() | texts,
    model=st.none() | texts,
    serial=st.none() | texts,
    slot_id=st.none() | st.integers(0, 2**62),
    slot_description=st.none() | texts,
    slot_manufacturer=st.none() | texts,
    object=st.none() | texts,
    id=st.none() | st.binary(min_size=1, max_size=20),
    type=st.none() | st.sampled_from(ObjectType),
    pin_source=st.none() | places,
)


@given(uris)
def test_what_is_written_is_read_again(uri):
    assume("pin-value" not in str(uri).lower())
    assert parse(str(uri)) == uri


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    for each in (
        text,
        f"pkcs11:{text}",
        f"pkcs11:token={text}?{MODULE}",
        f"pkcs11:object=a?{MODULE}&pin-source={text}",
    ):
        try:
            parse(each)
        except HSMError:
            continue


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=20), st.sampled_from(["?", "&", ";", "=", ""]))
def test_no_message_repeats_what_may_be_a_pin(before, sign):
    with pytest.raises(HSMError) as told:
        parse(f"pkcs11:token={before}?{MODULE}{sign}pin-value={SECRET}")
    assert SECRET not in str(told.value).replace(before or " ", "")


def test_names_escapes_and_the_ways_to_write_a_file_are_read():
    uri = parse(f"PKCS11:token=The%20Software%20PKCS%2311;object=audit;id=%01%FF;type=private;slot-id=7?{MODULE}")
    assert (uri.token, uri.object, uri.id) == ("The Software PKCS#11", "audit", b"\x01\xff")
    assert (uri.type, uri.slot_id, uri.pin_source) == (ObjectType.PRIVATE, 7, None)
    for written in ("/etc/pin%20file", "file:/etc/pin%2520file", "file:///etc/pin%2520file"):
        assert parse(f"pkcs11:object=a?{MODULE}&pin-source={written}").pin_source == Path("/etc/pin file")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("audit.key", "write pkcs11:token="),
        ("pkcs11:token=a;object=b", "names no module; add"),
        (f"pkcs11:token=a;token=b?{MODULE}", "token stands twice"),
        (f"pkcs11:token=a;color=b?{MODULE}", "color in the pkcs11: URI is not known here"),
        (f"pkcs11:token=a;x-vendor=b?{MODULE}", "x-vendor in the pkcs11: URI is not known here"),
        (f"pkcs11:library-version=3?{MODULE}", "module-path=/"),
        (f"pkcs11:module-path=/a?{MODULE}", "module-path in the pkcs11: URI is not known here"),
        (f"pkcs11:token?{MODULE}", "is not name=value"),
        (f"pkcs11:token=?{MODULE}", "token in the pkcs11: URI is empty"),
        (f"pkcs11:token=a b?{MODULE}", "need escaping"),
        (f"pkcs11:token=a%2?{MODULE}", "need escaping"),
        (f"pkcs11:token=a/b?{MODULE}", "need escaping"),
        (f"pkcs11:token=a?{MODULE}#part", "need escaping"),
        (f"pkcs11:token=%FF?{MODULE}", "is not UTF-8"),
        (f"pkcs11:token=%00?{MODULE}", "zero byte"),
        (f"pkcs11:slot-id=0x1?{MODULE}", "is not a decimal number"),
        (f"pkcs11:type=key?{MODULE}", "write type=private"),
        ("pkcs11:object=a?module-path=lib.so", "module-path in the pkcs11: URI is not the absolute path"),
        ("pkcs11:object=a?module-name=softhsm2", "name the module by its path"),
        (f"pkcs11:object=a?{MODULE}&pin-source=pin", "pin-source in the pkcs11: URI is not the absolute path"),
        (f"pkcs11:object=a?{MODULE}&pin-source=|echo", "pin-source in the pkcs11: URI is not the absolute path"),
        (
            f"pkcs11:object=a?{MODULE}&pin-source=file://host/pin",
            "pin-source in the pkcs11: URI is not the absolute path",
        ),
        (f"pkcs11:object=a?{MODULE}&pin-source=file:/%25FF", "is not UTF-8"),
        (f"pkcs11:object=a&pin-value={SECRET}?{MODULE}", "write the new one into a file of mode 0600"),
        (f"pkcs11:object=a?{MODULE}?pin-value={SECRET}", "write the new one into a file of mode 0600"),
        (f"pkcs11:object=a?{MODULE}&pin-value={SECRET}", "write the new one into a file of mode 0600"),
    ],
)
def test_what_could_mean_something_else_is_refused_with_a_remedy(text, told):
    with pytest.raises(HSMError, match=told) as error:
        parse(text)
    assert SECRET not in str(error.value)
