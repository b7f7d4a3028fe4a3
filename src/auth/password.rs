//! Passwords: the rules for new ones, and argon2id hashing with protection against floods.
//!
//! A hash takes 19 MiB and tens of milliseconds by design. So hashing runs on blocking threads, at most two per core. A
//! limited number of callers waits, and further ones are refused immediately. Networks take turns, so a flood from one
//! network delays each of the others by one hash. Rate limits apply before.
//!
//! Invariant: a refusal takes the same time as an acceptance. An unknown user, and a text that cannot be a password, are
//! checked against a hash that no password matches. Salts are arguments.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::{Network, fair_queue::FairQueue};
use argon2::password_hash::{self, phc};
use argon2::{ARGON2ID_IDENT, Argon2, Params, PasswordHasher, PasswordVerifier};

/// The parameters of every new hash: OWASP's first choice, m = 19 MiB, t = 2, p = 1.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// A hash with these parameters and a random tag, which no password matches.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$OFK/zITBIuV0iZeLzDPKCg$Gjl68z2aU8iBbW6pcj8/H+ghJOqA+/o4cU3g9tcwfbY";

const FEWEST_CHARS: usize = 8;
const MOST_CHARS: usize = 128;
/// Bytes of a password. Longer texts are refused before their characters are counted.
const MOST_BYTES: usize = 1_024;

/// Why a text is not allowed as a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefusal {
    /// It has fewer than 8 characters.
    #[error("use at least 8 characters")]
    TooShort,
    /// It has more than 128 characters.
    #[error("use at most 128 characters")]
    TooLong,
    /// It has a control character, such as a line break.
    #[error("leave out control characters")]
    ControlCharacter,
    /// It is the account's e-mail address.
    #[error("do not use the e-mail address")]
    IsEmail,
}

/// Why a password could not be checked or hashed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordFault {
    /// Too many callers wait already. A retry may succeed.
    #[error("too many passwords are being checked")]
    Busy,
    /// The stored hash is damaged, or the server shuts down.
    #[error("the password could not be checked")]
    Broken(#[source] Option<password_hash::Error>),
}

/// A password that follows the rules for its account.
#[derive(Clone)]
pub struct NewPassword(String);

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(***)")
    }
}

impl NewPassword {
    /// Checks the rules: 8–128 characters, no control characters, and not the e-mail address.
    pub fn try_new(text: String, email: &str) -> Result<Self, PasswordRefusal> {
        if text.len() > MOST_BYTES || text.chars().count() > MOST_CHARS {
            return Err(PasswordRefusal::TooLong);
        }
        if text.chars().count() < FEWEST_CHARS {
            return Err(PasswordRefusal::TooShort);
        }
        if text.chars().any(char::is_control) {
            return Err(PasswordRefusal::ControlCharacter);
        }
        if text.trim().to_lowercase() == email.trim().to_lowercase() {
            return Err(PasswordRefusal::IsEmail);
        }
        Ok(Self(text))
    }
}

/// Hashes and verifies passwords.
#[derive(Clone, Debug)]
pub struct Passwords {
    queue: Arc<FairQueue<Option<Network>>>,
    /// The network that this handle hashes for.
    network: Option<Network>,
}

impl Passwords {
    /// Returns a handle that hashes on `cores` × 2 threads. At most `waiting` callers wait, at
    /// most `each` of them from one network.
    pub fn new(cores: NonZeroUsize, waiting: usize, each: usize) -> Self {
        let queue = FairQueue::new(cores.get().saturating_mul(2), waiting, each);
        Self { queue: Arc::new(queue), network: None }
    }

    /// Returns a handle to the same threads that hashes for `network`.
    #[must_use]
    pub fn on_behalf_of(&self, network: Option<Network>) -> Self {
        Self { queue: self.queue.clone(), network }
    }

    /// Hashes a password. Returns the PHC string to store. `salt` must be random.
    pub async fn hash(&self, password: NewPassword, salt: [u8; 16]) -> Result<String, PasswordFault> {
        self.run(move || {
            let hash: phc::PasswordHash = hasher()?.hash_password_with_salt(password.0.as_bytes(), &salt)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Returns whether `stored` is the hash of the password. `stored` is `None` for an unknown user.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, PasswordFault> {
        self.run(move || {
            // A text that cannot be a password is not hashed at full length, but takes the same time.
            let possible = password.len() <= MOST_BYTES;
            let text = if possible { password.as_bytes() } else { &[] };
            let known = stored.as_deref().filter(|_| possible);
            match hasher()?.verify_password(text, known.unwrap_or(NOBODY)) {
                Ok(()) => Ok(known.is_some()),
                Err(password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> password_hash::Result<T> + Send + 'static,
    ) -> Result<T, PasswordFault> {
        let slot = self.queue.acquire(self.network).await.map_err(|_| PasswordFault::Busy)?;
        // The slot belongs to the thread: the hash continues if the caller no longer waits.
        let task = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(slot);
            done
        });
        task.await
            .map_err(|_| PasswordFault::Broken(None))?
            .map_err(|error| PasswordFault::Broken(Some(error)))
    }
}

/// Returns whether a stored hash has other parameters than new ones. Such a hash is replaced at the next sign-in.
pub fn is_outdated(stored: &str) -> bool {
    let params = phc::PasswordHash::new(stored).ok().filter(|hash| hash.algorithm == ARGON2ID_IDENT);
    let params = params.and_then(|hash| Params::try_from(&hash).ok());
    params.is_none_or(|has| (has.m_cost(), has.t_cost(), has.p_cost()) != (MEMORY_KIB, PASSES, LANES))
}

fn hasher() -> password_hash::Result<Argon2<'static>> {
    Ok(Argon2::from(Params::new(MEMORY_KIB, PASSES, LANES, None)?))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const EMAIL: &str = "Ada@example.org";
    const SECRET: &str = "correct horse battery";

    fn passwords(slots: usize, waiting: usize) -> Passwords {
        Passwords { queue: Arc::new(FairQueue::new(slots, waiting, waiting.max(1))), network: None }
    }

    async fn hashed(passwords: &Passwords) -> String {
        passwords.hash(NewPassword::try_new(SECRET.to_owned(), EMAIL).unwrap(), [9; 16]).await.unwrap()
    }

    #[test]
    fn rules_count_characters_and_not_bytes() {
        let check = |text: &str| NewPassword::try_new(text.to_owned(), EMAIL).err();
        for good in
            ["12345678", "пароль12", "密密密密密密密密", "        ", &"x".repeat(128), &"🔑".repeat(128)]
        {
            assert_eq!(check(good), None, "{good}");
        }
        for short in ["", "1234567", "密密密", "🔑🔑🔑🔑🔑🔑🔑"] {
            assert_eq!(check(short), Some(PasswordRefusal::TooShort), "{short}");
        }
        for long in ["x".repeat(129), "x".repeat(300), "🔑".repeat(129), "x".repeat(1_000_000)] {
            assert_eq!(check(&long), Some(PasswordRefusal::TooLong));
        }
        for control in ["1234567\n", "1234567\0", "1234\u{7f}567", "1234\u{85}567", "\u{1b}[31m1234"] {
            assert_eq!(check(control), Some(PasswordRefusal::ControlCharacter), "{control:?}");
        }
        for email in [EMAIL, "ada@EXAMPLE.org", " ada@example.org "] {
            assert_eq!(check(email), Some(PasswordRefusal::IsEmail));
        }
        assert_eq!(check("ada@example.org!"), None);
        assert_eq!(format!("{:?}", NewPassword::try_new(SECRET.to_owned(), EMAIL)), "Ok(NewPassword(***))");
    }

    #[tokio::test]
    async fn a_hash_knows_its_password_and_no_other() {
        let passwords = passwords(2, 2);
        let stored = hashed(&passwords).await;
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(!is_outdated(&stored) && !is_outdated(NOBODY));
        let verify = async |text: &str, stored: Option<&str>| {
            passwords.verify(text.to_owned(), stored.map(str::to_owned)).await.unwrap()
        };
        assert!(verify(SECRET, Some(&stored)).await);
        for other in [
            "",
            "correct horse batterY",
            "correct horse battery ",
            &SECRET.repeat(100),
            &"x".repeat(1_000_000),
        ] {
            assert!(!verify(other, Some(&stored)).await);
        }
        for anything in ["", SECRET, "DUMMY"] {
            assert!(!verify(anything, None).await);
        }
    }

    #[tokio::test]
    async fn older_hashes_are_read_and_renewed() {
        let weak = Argon2::from(Params::new(1_024, 1, 1, None).unwrap());
        let stored: phc::PasswordHash = weak.hash_password_with_salt(SECRET.as_bytes(), &[1; 16]).unwrap();
        let stored = stored.to_string();
        assert!(is_outdated(&stored) && is_outdated("") && is_outdated("$2b$12$abc"));
        assert!(passwords(1, 0).verify(SECRET.to_owned(), Some(stored)).await.unwrap());
    }

    #[tokio::test]
    async fn a_damaged_hash_is_a_fault_and_not_a_no() {
        for stored in
            ["", "x", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$!!", "$scrypt$ln=1$aaaa$bbbb"]
        {
            let verdict = passwords(1, 0).verify(SECRET.to_owned(), Some(stored.to_owned())).await;
            assert!(matches!(verdict, Err(PasswordFault::Broken(_))), "{stored} {verdict:?}");
        }
    }

    #[tokio::test]
    async fn one_works_one_waits_and_the_third_is_turned_away() {
        let passwords = passwords(1, 1);
        let ask = || passwords.verify(SECRET.to_owned(), None);
        let (first, second, third) = tokio::join!(ask(), ask(), ask());
        assert!(matches!((first, second, third), (Ok(false), Ok(false), Err(PasswordFault::Busy))));
        assert!(matches!(ask().await, Ok(false)), "there is room again");
        assert_eq!(Passwords::new(NonZeroUsize::MIN, 3, 3).queue.room(), 5);
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_leaves_its_slot_taken_until_the_work_is_done() {
        let passwords = passwords(1, 0);
        let (finish, wait) = std::sync::mpsc::channel::<()>();
        let work = passwords.run(move || {
            let _ = wait.recv();
            Ok(())
        });
        assert!(tokio::time::timeout(Duration::ZERO, work).await.is_err());
        let next = tokio::time::timeout(Duration::from_secs(10), passwords.run(|| Ok(())));
        assert!(matches!(next.await.unwrap(), Err(PasswordFault::Busy)));
        finish.send(()).unwrap();
        let place = async {
            while passwords.queue.room() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), place).await.unwrap();
        assert!(passwords.run(|| Ok(())).await.is_ok());
    }

    #[tokio::test]
    async fn unknown_users_cost_as_much_as_known_users() {
        let passwords = passwords(1, 1);
        let stored = hashed(&passwords).await;
        let long = "x".repeat(1_000_000);
        let mut best = [Duration::MAX; 3];
        for _ in 0..5 {
            for (case, best) in best.iter_mut().enumerate() {
                let stored = (case != 1).then(|| stored.clone());
                let text = if case == 2 { long.clone() } else { "a wrong password".to_owned() };
                let start = Instant::now();
                assert!(!passwords.verify(text, stored).await.unwrap());
                *best = start.elapsed().min(*best);
            }
        }
        let (least, most) = (best.iter().min().unwrap(), best.iter().max().unwrap());
        assert!(*most < *least * 5, "a short cut would be a hundred times faster: {best:?}");
    }
}
