//! Known attacks on token verifiers. All must fail.

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::*;
use crate::keys::SigningKey;
use crate::ticket::code;

const NOW: i64 = 1_800_000_000;
const TEN_MINUTES: TimeDelta = TimeDelta::minutes(10);

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn subject() -> Subject {
    Subject { id: Uuid::from_u128(0xabc), session: Uuid::from_u128(0xdef), kind: Kind::User }
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

struct World {
    keys: SigningKeys,
    tokens: AccessTokens,
}

fn world() -> World {
    let keys = SigningKeys::generate().unwrap();
    let tokens = AccessTokens::new(&keys, "https://tessera", "tessera-api", TEN_MINUTES).unwrap();
    World { keys, tokens }
}

impl World {
    fn genuine(&self) -> String {
        self.tokens.issue(subject(), at(NOW), TEN_MINUTES).unwrap()
    }

    fn header(&self) -> Value {
        json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": self.keys.session.signing.public().id().to_string() })
    }

    fn verify(&self, token: &str) -> Result<AccessClaims, TokenFault> {
        self.tokens.verify(token, at(NOW + 1))
    }

    /// Signs these parts and verifies the token.
    fn signed(&self, header: &[u8], claims: &[u8]) -> Result<AccessClaims, TokenFault> {
        self.verify(&token(&self.keys.session.signing, header, claims))
    }

    fn with_claim(&self, name: &str, value: Value) -> Result<AccessClaims, TokenFault> {
        let mut claims = claims();
        claims[name] = value;
        self.signed(self.header().to_string().as_bytes(), claims.to_string().as_bytes())
    }

    fn with_header(&self, name: &str, value: Value) -> Result<AccessClaims, TokenFault> {
        let mut header = self.header();
        header[name] = value;
        self.signed(header.to_string().as_bytes(), claims().to_string().as_bytes())
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://tessera", "aud": "tessera-api", "kind": "user", "iat": NOW, "nbf": NOW, "exp": NOW + 600,
        "sub": subject().id.to_string(), "sid": subject().session.to_string(),
    })
}

fn token(key: &SigningKey, header: &[u8], claims: &[u8]) -> String {
    let message = format!("{}.{}", b64(header), b64(claims));
    format!("{message}.{}", b64(key.sign(message.as_bytes())))
}

#[test]
fn issued_token_verifies() {
    let world = world();
    let genuine = world.genuine();
    assert!(genuine.len() < 512);
    let read = world.verify(&genuine).unwrap();
    assert_eq!(read, AccessClaims { subject: subject(), issued_at: at(NOW), expires_at: at(NOW + 600) });
    let by_hand = world.signed(world.header().to_string().as_bytes(), claims().to_string().as_bytes());
    assert_eq!(by_hand, Ok(read), "the forger of these tests makes good tokens when it wants to");
    assert!(world.with_claim("later", json!("version")).is_ok());
}

#[test]
fn given_time_decides() {
    let world = world();
    let genuine = world.genuine();
    let verdict = |offset: i64| world.tokens.verify(&genuine, at(NOW + offset)).map(|_| ());
    assert_eq!(verdict(-6), Err(TokenFault::NotYet));
    assert_eq!(verdict(-5), Ok(()));
    assert_eq!(verdict(604), Ok(()));
    assert_eq!(verdict(605), Err(TokenFault::Expired));
    assert_eq!(verdict(-NOW), Err(TokenFault::NotYet));
    assert_eq!(world.tokens.verify(&genuine, DateTime::<Utc>::MAX_UTC), Err(TokenFault::Expired));
    for lifetime in [TimeDelta::zero(), TimeDelta::seconds(-1), TimeDelta::seconds(601), TimeDelta::MAX] {
        assert_eq!(world.tokens.issue(subject(), at(NOW), lifetime), Err(IssueFault::Lifetime));
    }
}

#[test]
fn other_algorithms_are_refused() {
    let world = world();
    let genuine = world.genuine();
    let (_, rest) = genuine.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let names = [
        "none", "None", "NONE", "nOnE", "", "eddsa", "EDDSA", "EdDSA ", "Ed25519", "HS256", "RS256", "ES256",
    ];
    for alg in names {
        let mut header = world.header();
        header["alg"] = json!(alg);
        let header = b64(header.to_string());
        for token in [format!("{header}.{body}."), format!("{header}.{body}.{signature}")] {
            assert_eq!(world.verify(&token), Err(TokenFault::Header), "{alg}");
        }
        assert_eq!(world.with_header("alg", json!(alg)), Err(TokenFault::Header));
    }
    assert_eq!(world.with_header("alg", json!(["EdDSA"])), Err(TokenFault::Header));
    assert_eq!(world.with_header("alg", Value::Null), Err(TokenFault::Header));
}

#[test]
fn public_key_as_hmac_secret_is_refused() {
    let world = world();
    let public = world.keys.session.signing.public();
    for alg in ["HS256", "EdDSA"] {
        let mut header = world.header();
        header["alg"] = json!(alg);
        let message = format!("{}.{}", b64(header.to_string()), b64(claims().to_string()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public.bytes()), message.as_bytes());
        assert!(world.verify(&format!("{message}.{}", b64(tag))).is_err());
    }
}

#[test]
fn other_headers_are_refused() {
    let world = world();
    for typ in ["JWT", "jwt", "AT+JWT", "application/at+jwt", "refresh+jwt", ""] {
        assert_eq!(world.with_header("typ", json!(typ)), Err(TokenFault::Header), "{typ}");
    }
    for name in ["jku", "x5u", "x5t", "cty", "url", "nonce", "zip", "b64", "anything"] {
        assert_eq!(world.with_header(name, json!("https://evil.example")), Err(TokenFault::Header), "{name}");
    }
    assert_eq!(world.with_header("jwk", world.keys.jwks()["keys"][0].clone()), Err(TokenFault::Header));
    assert_eq!(world.with_header("crit", json!(["exp"])), Err(TokenFault::Header));
    assert_eq!(world.with_header("x5c", json!([])), Err(TokenFault::Header));
    let long = "k".repeat(10_000);
    for kid in ["", "../../etc/passwd", "' OR 1=1 --", "https://evil.example/key", "00000000"] {
        assert_eq!(world.with_header("kid", json!(kid)), Err(TokenFault::UnknownKey), "{kid}");
    }
    assert_eq!(world.with_header("kid", json!(long)), Err(TokenFault::Malformed));
    assert_eq!(world.with_header("kid", json!(1)), Err(TokenFault::Header));
    for name in ["alg", "typ", "kid"] {
        let mut header = world.header();
        header.as_object_mut().unwrap().remove(name);
        let refused = world.signed(header.to_string().as_bytes(), claims().to_string().as_bytes());
        assert_eq!(refused, Err(TokenFault::Header), "{name}");
    }
    let twice = world.header().to_string().replace('}', r#","alg":"EdDSA"}"#);
    assert_eq!(world.signed(twice.as_bytes(), claims().to_string().as_bytes()), Err(TokenFault::Header));
}

#[test]
fn every_claim_is_required_and_checked() {
    let world = world();
    for name in ["iss", "aud", "sub", "sid", "kind", "iat", "nbf", "exp"] {
        let mut without = claims();
        without.as_object_mut().unwrap().remove(name);
        let refused = world.signed(world.header().to_string().as_bytes(), without.to_string().as_bytes());
        assert_eq!(refused, Err(TokenFault::Malformed), "{name}");
        let text = claims().to_string();
        let twice = text.replacen('{', &format!("{{\"{name}\":{},", claims()[name]), 1);
        let refused = world.signed(world.header().to_string().as_bytes(), twice.as_bytes());
        assert_eq!(refused, Err(TokenFault::Malformed), "{name} twice");
        for value in [json!(null), json!([]), json!({}), json!(true), json!([claims()[name]])] {
            assert_eq!(world.with_claim(name, value), Err(TokenFault::Malformed), "{name}");
        }
    }
    for name in ["iss", "aud", "sub", "sid"] {
        for value in
            ["", "https://tessera/", "HTTPS://TESSERA", "staging", "{00000000-0000-0000-0000-000000000abc}"]
        {
            assert_eq!(world.with_claim(name, json!(value)), Err(TokenFault::Claims), "{name} {value}");
        }
    }
    assert_eq!(world.with_claim("kind", json!("admin")), Err(TokenFault::Malformed));
    assert_eq!(world.signed(world.header().to_string().as_bytes(), b"[]"), Err(TokenFault::Malformed));
    assert_eq!(world.signed(world.header().to_string().as_bytes(), b"\xff"), Err(TokenFault::Malformed));
}

#[test]
fn times_are_whole_seconds_within_the_longest_lifetime() {
    let world = world();
    for name in ["iat", "nbf", "exp"] {
        for value in [json!(1.8e9), json!("1800000000"), json!(u64::MAX), json!(1e300)] {
            assert_eq!(world.with_claim(name, value), Err(TokenFault::Malformed), "{name}");
        }
        for value in [-1, i64::MIN] {
            assert_eq!(world.with_claim(name, json!(value)), Err(TokenFault::Claims), "{name}");
        }
        assert_eq!(world.with_claim(name, json!(i64::MAX)), Err(TokenFault::Claims), "{name}");
    }
    assert_eq!(world.with_claim("exp", json!(NOW + 601)), Err(TokenFault::Claims));
    assert_eq!(world.with_claim("exp", json!(NOW + 10 * 365 * 86_400)), Err(TokenFault::Claims));
    assert_eq!(world.with_claim("exp", json!(NOW)), Err(TokenFault::Claims));
    assert_eq!(world.with_claim("nbf", json!(NOW + 60)), Err(TokenFault::NotYet));
    assert_eq!(world.with_claim("iat", json!(NOW + 60)), Err(TokenFault::Claims));
}

#[test]
fn every_flipped_bit_and_every_other_shape_is_refused() {
    let world = world();
    let genuine = world.genuine();
    let (message, signature) = genuine.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(world.verify(&format!("{message}.{}", b64(flipped))), Err(TokenFault::Forged));
    }
    for (place, bit) in (0..genuine.len()).flat_map(|place| (0..7).map(move |bit| (place, bit))) {
        let mut flipped = genuine.clone().into_bytes();
        flipped[place] ^= 1 << bit;
        assert!(world.verify(std::str::from_utf8(&flipped).unwrap()).is_err(), "{place} {bit}");
    }
    for end in 0..genuine.len() {
        assert!(world.verify(&genuine[..end]).is_err(), "{end}");
        assert!(world.verify(&genuine[end + 1..]).is_err(), "{end}");
    }
    for tail in [".", "..", "=", "==", " ", "\n", "\0", "A", "AA", "AAAA", ".AAAA", "é"] {
        assert!(world.verify(&format!("{genuine}{tail}")).is_err(), "{tail}");
        assert!(world.verify(&format!("{tail}{genuine}")).is_err(), "{tail}");
    }
    // The last character has four unused bits for 64 bytes. They must be zero.
    let (head, last) = genuine.split_at(genuine.len() - 1);
    for other in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".map(char::from) {
        assert_eq!(world.verify(&format!("{head}{other}")).is_ok(), last.starts_with(other));
    }
    assert_eq!(world.verify(&format!("{message}.{}", "A".repeat(1_000_000))), Err(TokenFault::Malformed));
    assert_eq!(world.verify(""), Err(TokenFault::Malformed));
}

#[test]
fn tokens_of_other_signers_are_refused() {
    let (world, other) = (world(), self::world());
    assert_eq!(world.verify(&other.genuine()), Err(TokenFault::UnknownKey));
    let text = claims().to_string();
    let ticket_key = &world.keys.ticket.signing;
    let forged = token(ticket_key, world.header().to_string().as_bytes(), text.as_bytes());
    assert_eq!(world.verify(&forged), Err(TokenFault::Forged));
    let mut header = world.header();
    header["kid"] = json!(ticket_key.public().id().to_string());
    let forged = token(ticket_key, header.to_string().as_bytes(), text.as_bytes());
    assert_eq!(world.verify(&forged), Err(TokenFault::UnknownKey));
    let claims = code::Claims { ticket: Uuid::nil(), event: Uuid::nil(), epoch: 0 };
    let ticket = code::sign(&code::TicketKeys::new(&world.keys), claims);
    assert_eq!(world.verify(&ticket), Err(TokenFault::Malformed));
    let verifier = code::TicketVerifier::new(world.keys.ticket.public());
    assert!(matches!(code::verify(&verifier, &world.genuine()), Err(code::CodeFault::Unreadable(_))));
}

#[test]
fn retired_key_is_accepted_until_it_is_removed() {
    let (old, mut keys) = (world(), SigningKeys::generate().unwrap());
    let tokens =
        |keys: &SigningKeys| AccessTokens::new(keys, "https://tessera", "tessera-api", TEN_MINUTES).unwrap();
    assert_eq!(tokens(&keys).verify(&old.genuine(), at(NOW)), Err(TokenFault::UnknownKey));
    keys.session.others.push(old.keys.session.signing.public());
    assert!(tokens(&keys).verify(&old.genuine(), at(NOW)).is_ok());
}
