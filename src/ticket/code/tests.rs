//! Tests of ticket codes: genuine, copied, damaged and forged.

use proptest::prelude::*;

use super::{text::*, *};

/// The alphabet of QR's alphanumeric mode, which is that of base 45.
const QR: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const DAMAGED: CodeFault = CodeFault::Unreadable(ReadHint::Damaged);
const OTHER: CodeFault = CodeFault::Unreadable(ReadHint::OtherSystem);

fn pair() -> (TicketKeys, TicketVerifier) {
    let keys = SigningKeys::generate().unwrap();
    (TicketKeys::new(&keys), TicketVerifier::new(keys.ticket.public()))
}

fn claims() -> Claims {
    Claims { ticket: Uuid::from_u128(0x0199_1234), event: Uuid::from_u128(7), epoch: 3 }
}

fn bytes_of(code: &str) -> Vec<u8> {
    decode(&code[PREFIX.len()..]).unwrap()
}

fn text_of(bytes: &[u8]) -> String {
    format!("{PREFIX}{}", encode(bytes))
}

/// The same code as earlier versions wrote it.
fn earlier(code: &str) -> String {
    format!("{PREFIX_45}{}", base45::encode(bytes_of(code)))
}

#[test]
fn code_is_short_and_fits_the_alphanumeric_mode() {
    let code = sign(&pair().0, claims());
    assert_eq!(code.len(), CODE_CHARS);
    const { assert!(CODE_CHARS <= 180) };
    assert!(code.bytes().all(|byte| QR.contains(&byte) && byte.is_ascii_alphanumeric()), "{code}");
    for exchanged in *b"IOYZ" {
        assert!(!ALPHABET.contains(&exchanged));
    }
}

#[test]
fn lower_case_and_outer_white_space_are_accepted() {
    let (keys, verifier) = pair();
    let code = sign(&keys, claims());
    for code in [code.clone(), earlier(&code)] {
        for text in [code.to_lowercase(), format!("  {code}\r\n"), format!("\t{}\u{a0}", code.to_lowercase())]
        {
            assert_eq!(verify(&verifier, &text), Ok(claims()), "{text}");
        }
    }
}

#[test]
fn copied_code_is_read() {
    let (keys, verifier) = pair();
    let code = sign(&keys, claims());
    let (begin, end) = code.split_at(80);
    let wrapped: Vec<&str> =
        code.as_bytes().chunks(60).map(|line| std::str::from_utf8(line).unwrap()).collect();
    for text in [
        format!("{begin} {end}"),
        format!("{begin}  {end}"),
        format!("{begin}\r\n{end}"),
        wrapped.join("\n"),
        wrapped.join("=\r\n").replace('=', ""),
        wrapped.join("-\n"),
        wrapped.join(" – "),
        wrapped.join("\u{200b}"),
        wrapped.join("\u{ad}"),
        wrapped.join("<wbr>").replace("<wbr>", "&#8203;"),
        format!("%20{code}%0D%0A"),
        format!("{begin}%20{end}"),
        format!("{begin}%0A{end}"),
        format!("{begin}&nbsp;{end}"),
        format!("“{code}”."),
        format!("<{code}>"),
        format!("{code}\0"),
        format!("\u{feff}{code}"),
        code.chars().map(|character| char::from_u32(u32::from(character) + 0xfee0).unwrap()).collect(),
    ] {
        assert_eq!(verify(&verifier, &text), Ok(claims()), "{text:?}");
    }
}

#[test]
fn escaped_earlier_code_is_read() {
    // Codes with blanks and percent signs, which are digits of base 45.
    let (keys, verifier) = pair();
    let mut seen = 0;
    for number in 0..200 {
        let claims = Claims { ticket: Uuid::from_u128(number), ..claims() };
        let code = earlier(&sign(&keys, claims));
        if !code.contains(' ') || !code.contains('%') {
            continue;
        }
        seen += 1;
        let escaped = code.replace('%', "%25").replace(' ', "%20");
        let (begin, end) = code.split_at(90);
        for text in [escaped, code.replace(' ', "\u{a0}"), format!("{begin}\r\n{end}"), format!("{code}\r\n")]
        {
            assert_eq!(verify(&verifier, &text), Ok(claims), "{text:?}");
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn unreadable_code_has_a_hint() {
    let (keys, verifier) = pair();
    let code = sign(&keys, claims());
    let french = code.replace('2', "é").replace('1', "&").replace('3', "\"");
    let german = earlier(&code).replace(':', "Ö");
    let russian = format!("ЕЫК2{}", &code[4..]);
    for (text, hint) in [
        ("https://example.org/t?id=1", ReadHint::NotATicket),
        ("4006381333931", ReadHint::NotATicket),
        ("no ticket", ReadHint::NotATicket),
        ("", ReadHint::NotATicket),
        ("eyJhbGciOiJub25lIn0.e30.", ReadHint::NotATicket),
        (&code[..100], ReadHint::Damaged),
        (&code[..171], ReadHint::Damaged),
        (&earlier(&code)[..120], ReadHint::Damaged),
        ("TSR3ABC", ReadHint::NotATicket),
        (&french, ReadHint::KeyboardLayout),
        (&german, ReadHint::KeyboardLayout),
        (&russian, ReadHint::KeyboardLayout),
        (&sign(&pair().0, claims()), ReadHint::OtherSystem),
    ] {
        assert_eq!(verify(&verifier, text), Err(CodeFault::Unreadable(hint)), "{text:?}");
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let (keys, verifier) = pair();
    let bytes = bytes_of(&sign(&keys, claims()));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let expected = match bit / 8 {
            0 => DAMAGED,
            1..5 => OTHER,
            _ => CodeFault::Forged,
        };
        assert_eq!(verify(&verifier, &text_of(&flipped)), Err(expected), "bit {bit}");
    }
}

#[test]
fn every_replaced_character_is_refused() {
    let (keys, verifier) = pair();
    let code = sign(&keys, claims());
    for place in 0..code.len() {
        for other in (b'!'..=b'~').filter(|other: &u8| !other.eq_ignore_ascii_case(&code.as_bytes()[place])) {
            let mut text = code.clone().into_bytes();
            text[place] = other;
            assert!(verify(&verifier, std::str::from_utf8(&text).unwrap()).is_err(), "{place} {other}");
        }
    }
}

#[test]
fn truncated_and_extended_codes_are_refused() {
    let (keys, verifier) = pair();
    let code = sign(&keys, claims());
    for end in PREFIX.len()..code.len() {
        assert_eq!(verify(&verifier, &code[..end]), Err(DAMAGED), "{end}");
    }
    for tail in ["0", "00", "00000000", "é", code.as_str()] {
        assert_eq!(verify(&verifier, &format!("{code}{tail}")), Err(DAMAGED), "{tail}");
    }
    let bytes = bytes_of(&code);
    for end in (0..bytes.len()).step_by(BLOCK) {
        assert_eq!(verify(&verifier, &text_of(&bytes[..end])), Err(DAMAGED));
    }
    assert_eq!(verify(&verifier, &text_of(&[bytes, vec![0; BLOCK]].concat())), Err(DAMAGED));
}

#[test]
fn overflowing_last_pair_of_an_earlier_code_is_refused() {
    // The library reads the last byte modulo 256, so a second spelling of it exists for the taking.
    let (keys, verifier) = pair();
    let code = earlier(&sign(&keys, claims()));
    let value = u32::from(*base45::decode(&code[PREFIX_45.len()..]).unwrap().last().unwrap()) + 256;
    let digit = |index: u32| char::from(QR[index as usize]);
    let alias = format!("{}{}{}", &code[..code.len() - 2], digit(value % 45), digit(value / 45));
    assert_eq!(base45::decode(&alias[PREFIX_45.len()..]), base45::decode(&code[PREFIX_45.len()..]));
    assert_eq!(verify(&verifier, &alias), Err(DAMAGED));
}

#[test]
fn signature_derived_from_a_valid_one_is_refused() {
    // Ed25519 is malleable unless S < L is enforced: add the group order to S.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let (keys, verifier) = pair();
    let mut bytes = bytes_of(&sign(&keys, claims()));
    let mut carry = 0;
    for (byte, order) in bytes[WHOLE - 32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        carry = sum >> 8;
        *byte = sum.to_le_bytes()[0];
    }
    assert_eq!(verify(&verifier, &text_of(&bytes)), Err(CodeFault::Forged));
}

#[test]
fn hundred_thousand_random_mutations_are_refused() {
    let (keys, verifier) = pair();
    let code = sign(&keys, claims());
    let bytes = bytes_of(&code);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..50_000 {
        let mut text = code.clone().into_bytes();
        for _ in 0..=random(4) {
            let place = random(text.len());
            text[place] = ALPHABET[random(ALPHABET.len())];
        }
        if random(4) == 0 {
            text.swap(random(CODE_CHARS), random(CODE_CHARS));
        }
        let text = String::from_utf8(text).unwrap();
        assert!(text == code || verify(&verifier, &text).is_err(), "{text}");

        let mut changed = bytes.clone();
        for _ in 0..=random(8) {
            changed[5 + random(WHOLE - 5)] = random(256).to_le_bytes()[0];
        }
        assert!(changed == bytes || verify(&verifier, &text_of(&changed)) == Err(CodeFault::Forged));
    }
}

#[test]
fn keys_rotate_and_other_installations_are_unknown() {
    let (old, new) = (SigningKeys::generate().unwrap(), SigningKeys::generate().unwrap());
    let code = sign(&TicketKeys::new(&old), claims());
    let both = TicketVerifier::new(new.ticket.public().chain(old.ticket.public()));
    assert_eq!(verify(&both, &code), Ok(claims()));
    assert_eq!(verify(&both, &sign(&TicketKeys::new(&new), claims())), Ok(claims()));
    assert_eq!(verify(&TicketVerifier::new(new.ticket.public()), &code), Err(OTHER));
    assert_eq!(verify(&TicketVerifier::new(old.session.public()), &code), Err(OTHER));
}

#[test]
fn signature_without_the_domain_is_forged() {
    let (keys, verifier) = pair();
    let bytes = bytes_of(&sign(&keys, claims()));
    for signed in [bytes[..BODY].to_vec(), [b"tessera ticket code v2\0", &bytes[..BODY]].concat()] {
        let forged = [&bytes[..BODY], &keys.0.sign(&signed)].concat();
        assert_eq!(verify(&verifier, &text_of(&forged)), Err(CodeFault::Forged));
    }
}

#[test]
fn noise_is_unreadable() {
    let (_, verifier) = pair();
    let long = "A".repeat(1_000_000);
    for text in ["", " ", "TSR1:", "tsr1: ", "TSR2", "TSR2:00", "https://example.org", &long] {
        assert!(matches!(verify(&verifier, text), Err(CodeFault::Unreadable(_))), "{text:.20}");
    }
}

proptest! {
    #[test]
    fn signed_claims_verify(ticket: u128, event: u128, epoch: u32) {
        let (keys, verifier) = pair();
        let claims = Claims { ticket: Uuid::from_u128(ticket), event: Uuid::from_u128(event), epoch };
        let code = sign(&keys, claims);
        prop_assert_eq!(code.len(), CODE_CHARS);
        prop_assert_eq!(code.trim(), &code);
        prop_assert_eq!(verify(&verifier, &code), Ok(claims));
        prop_assert_eq!(verify(&verifier, &earlier(&code)), Ok(claims));
    }

    #[test]
    fn no_text_panics(text in ".{0,300}") {
        let (_, verifier) = pair();
        prop_assert!(verify(&verifier, &text).is_err());
        let text = format!("{PREFIX}{text}");
        prop_assert!(verify(&verifier, &text).is_err());
    }
}
