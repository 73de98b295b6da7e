//! Hashing passwords, which takes a core and 19 MiB for some hundredths of a second each.
//!
//! So few are hashed at once, some wait for their turn, and the rest is turned away before any
//! work has been done for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Context;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::credentials::{NewPassword, Password};

/// How many may wait for their turn: with two cores, about a second.
const WAITING: usize = 64;

/// The most that are hashed at once, however many cores there are.
const MOST_AT_ONCE: usize = 8;

/// Hashes and checks passwords. Cheap to clone.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

struct Inner {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    /// Checked where nobody has the e-mail address, so that it takes as long.
    decoy: String,
    memory: Memory,
}

/// What is filled while a password is hashed, kept for the next one: given back, it would stay with whichever thread
/// had it, and there are many.
#[derive(Default)]
struct Memory(Mutex<Vec<Vec<Block>>>);

/// A place in the queue.
pub struct Place {
    passwords: Passwords,
    place: OwnedSemaphorePermit,
}

/// The turn of somebody who was in the queue, until it is dropped.
pub struct Turn {
    passwords: Passwords,
    _permits: [OwnedSemaphorePermit; 2],
}

/// Too many are waiting.
#[derive(Debug, thiserror::Error)]
#[error("too many passwords are waiting to be hashed")]
pub struct Busy;

impl Passwords {
    /// A queue with nobody in it.
    pub fn new() -> anyhow::Result<Self> {
        let at_once = thread::available_parallelism().map_or(1, usize::from).min(MOST_AT_ONCE);
        let memory = Memory::default();
        Ok(Self(Arc::new(Inner {
            places: Arc::new(Semaphore::new(at_once + WAITING)),
            turns: Arc::new(Semaphore::new(at_once)),
            decoy: memory.hash(&rand::random::<[u8; 32]>())?,
            memory,
        })))
    }

    /// Takes a place in the queue, to be used for one password.
    pub fn enter(&self) -> Result<Place, Busy> {
        let place = Arc::clone(&self.0.places).try_acquire_owned().map_err(|_full| Busy)?;
        Ok(Place { passwords: self.clone(), place })
    }
}

impl Place {
    /// The hash of a new password, in PHC format.
    pub async fn hash(self, password: NewPassword) -> anyhow::Result<String> {
        let (hash, _turn) =
            self.turn().await?.work("hash", move |of| of.memory.hash(password.as_bytes())).await?;
        Ok(hash)
    }

    /// Waits for one's turn.
    pub async fn turn(self) -> anyhow::Result<Turn> {
        let turn = Arc::clone(&self.passwords.0.turns).acquire_owned().await?;
        Ok(Turn { passwords: self.passwords, _permits: [self.place, turn] })
    }
}

impl Turn {
    /// Whether a password is the one that was hashed. Without a hash it is not, after the same
    /// work. The turn goes on, for what has to be done before the next one's.
    pub async fn verify(
        self,
        password: Password,
        stored: Option<String>,
    ) -> anyhow::Result<(bool, Self)> {
        self.work("verify", move |of| {
            let stored_or_decoy = stored.as_deref().unwrap_or(&of.decoy);
            let same = of.memory.verify(password.as_bytes(), stored_or_decoy)?;
            Ok(same && stored.is_some())
        })
        .await
    }

    async fn work<T: Send + 'static>(
        self,
        operation: &'static str,
        work: impl FnOnce(&Inner) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<(T, Self)> {
        metrics::counter!("password_hashes_total", "operation" => operation).increment(1);
        // Goes on to its end when the caller has gone away, and takes up its turn until then.
        let (result, turn) = tokio::task::spawn_blocking(move || (work(&self.passwords.0), self))
            .await
            .context("hashing a password panicked")?;
        Ok((result?, turn))
    }
}

impl Memory {
    /// Argon2id with the parameters that OWASP recommends: 19 MiB, two passes, one lane.
    fn hash(&self, password: &[u8]) -> anyhow::Result<String> {
        let params = Params::new(19 * 1024, 2, 1, None)?;
        let salt: [u8; Salt::RECOMMENDED_LENGTH] = rand::random();
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        let hash = PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: ParamsString::try_from(&params).context("cannot write the parameters")?,
            salt: Some(Salt::new(&salt).context("cannot write the salt")?),
            hash: Some(self.fill(algorithm, version, params, password, &salt)?),
        };
        Ok(hash.to_string())
    }

    fn verify(&self, password: &[u8], stored: &str) -> anyhow::Result<bool> {
        let stored = PasswordHash::new(stored).context("a stored password hash cannot be read")?;
        let part = "a stored password hash lacks a part";
        let (salt, expected) = (stored.salt.context(part)?, stored.hash.context(part)?);
        let algorithm = Algorithm::try_from(stored.algorithm.as_str())?;
        let version = Version::try_from(stored.version.context(part)?)?;
        let params = Params::try_from(&stored).context("parameters that cannot be read")?;
        // Compares in a time that tells nothing of where they differ.
        Ok(self.fill(algorithm, version, params, password, &salt)? == expected)
    }

    fn fill(
        &self,
        algorithm: Algorithm,
        version: Version,
        params: Params,
        password: &[u8],
        salt: &[u8],
    ) -> anyhow::Result<Output> {
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let blocks = params.block_count();
        let mut memory = self.kept().pop().unwrap_or_default();
        memory.resize(blocks, Block::default());
        let argon2 = Argon2::new(algorithm, version, params);
        let mut output = vec![0; length];
        let filled =
            argon2.hash_password_into_with_memory(password, salt, &mut output, &mut memory);
        self.kept().push(memory);
        filled.context("cannot hash a password")?;
        Output::new(&output).context("cannot keep the hash of a password")
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(passwords: &Passwords) -> Place {
        passwords.enter().unwrap()
    }

    async fn verify(place: Place, password: Password, stored: Option<String>) -> Option<bool> {
        let checked = place.turn().await.unwrap().verify(password, stored).await;
        checked.ok().map(|(right, _turn)| right)
    }

    #[tokio::test]
    async fn only_the_password_that_was_hashed_is_right() {
        let passwords = Passwords::new().unwrap();
        let right: Password = "correct horse".parse().unwrap();
        let stored = place(&passwords).hash("correct horse".parse().unwrap()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_eq!(
            verify(place(&passwords), right.clone(), Some(stored.clone())).await,
            Some(true)
        );
        let wrong = "correct horsf".parse().unwrap();
        assert_eq!(verify(place(&passwords), wrong, Some(stored.clone())).await, Some(false));
        let again = place(&passwords).hash("correct horse".parse().unwrap()).await.unwrap();
        assert_ne!(stored, again, "each has a salt of its own");
        assert_eq!(verify(place(&passwords), right, Some("plain".to_owned())).await, None);
    }

    #[tokio::test]
    async fn nobody_has_the_decoy_password() {
        let passwords = Passwords::new().unwrap();
        let stored = place(&passwords).hash("correct horse".parse().unwrap()).await.unwrap();
        let cost = |hash: &str| hash.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(cost(&passwords.0.decoy), cost(&stored), "the decoy costs as much");
        let anything = "anything".parse().unwrap();
        assert_eq!(verify(place(&passwords), anything, None).await, Some(false));
        let decoyed = Passwords(Arc::new(Inner {
            places: Arc::clone(&passwords.0.places),
            turns: Arc::clone(&passwords.0.turns),
            decoy: stored,
            memory: Memory::default(),
        }));
        let decoy = "correct horse".parse().unwrap();
        assert_eq!(verify(place(&decoyed), decoy, None).await, Some(false));
    }

    #[tokio::test]
    async fn who_finds_no_place_is_turned_away() {
        let passwords = Passwords::new().unwrap();
        let mut places: Vec<Place> = std::iter::from_fn(|| passwords.enter().ok()).collect();
        assert!(places.len() > WAITING);
        places.pop();
        let last = passwords.enter().unwrap();
        assert!(passwords.enter().is_err());
        let turn = last.turn().await.unwrap();
        let (right, turn) = turn.verify("anything".parse().unwrap(), None).await.unwrap();
        assert!(!right && passwords.enter().is_err(), "the turn is not over yet");
        drop(turn);
        assert!(passwords.enter().is_ok(), "the place is free after the turn");
    }
}
