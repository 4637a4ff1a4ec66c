//! SCRAM-SHA-256 (RFC 5802, RFC 7677): who has a password proves it without sending it, and the server keeps no password.
//!
//! A server keeps a [`Verifier`], written as PostgreSQL writes it: `SCRAM-SHA-256$ROUNDS:SALT$STOREDKEY:SERVERKEY`, in base64. Nobody can log in
//! with a verifier that was stolen. [`Exchange`] is the server's side of one log-in. A name that nobody has goes the same way with a verifier
//! that no password fits, so that names cannot be guessed.
//!
//! Left out: channel binding (SCRAM-SHA-256-PLUS).

use std::num::NonZeroU32;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};

use crate::error::{Error, Result};

/// How often a password is hashed; what PostgreSQL takes.
const ROUNDS: NonZeroU32 = NonZeroU32::new(4_096).unwrap();
/// The most that a verifier of a users file may ask for: one log-in must not take a core for long.
const MOST_ROUNDS: u32 = 1_000_000;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 18;
/// Bytes of a message at most.
const MOST_BYTES: usize = 4_096;
const NAME: &str = "SCRAM-SHA-256";

type Key = [u8; digest::SHA256_OUTPUT_LEN];

/// What a server keeps of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    rounds: NonZeroU32,
    salt: Vec<u8>,
    stored_key: Key,
    server_key: Key,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier(…)")
    }
}

impl Verifier {
    /// Makes the verifier of a password, with a salt by chance.
    ///
    /// # Errors
    /// A system without random numbers.
    pub fn of(password: &str) -> Result<Self> {
        let mut salt = vec![0; SALT_BYTES];
        random(&mut salt)?;
        Ok(Self::with(password, salt, ROUNDS))
    }

    fn with(password: &str, salt: Vec<u8>, rounds: NonZeroU32) -> Self {
        let salted = salted(password, &salt, rounds);
        let client_key = mac(&salted, b"Client Key");
        Self { rounds, salt, stored_key: hash(&client_key), server_key: mac(&salted, b"Server Key") }
    }

    /// Makes a verifier that no password fits, always the same for a name and a secret.
    pub(super) fn of_nobody(secret: &[u8], name: &str) -> Self {
        let salt = mac(secret, name.as_bytes());
        let salt = salt.get(..SALT_BYTES).unwrap_or(&salt).to_vec();
        // No client key is known that hashes to this.
        Self { rounds: ROUNDS, salt, stored_key: mac(secret, b"nobody"), server_key: mac(secret, b"server") }
    }

    /// Says whether a password is the right one.
    pub fn fits(&self, password: &str) -> bool {
        let client_key = mac(&salted(password, &self.salt, self.rounds), b"Client Key");
        equal(&hash(&client_key), &self.stored_key)
    }
}

impl std::fmt::Display for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let encode = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
        let (salt, stored, server) = (encode(&self.salt), encode(&self.stored_key), encode(&self.server_key));
        write!(f, "{NAME}${}:{salt}${stored}:{server}", self.rounds)
    }
}

impl std::str::FromStr for Verifier {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let read = || {
            let (kind, rest) = text.split_once('$')?;
            let (hashed, keys) = rest.split_once('$')?;
            let (rounds, salt) = hashed.split_once(':')?;
            let (stored, server) = keys.split_once(':')?;
            let rounds: NonZeroU32 = rounds.parse().ok()?;
            let key = |text: &str| -> Option<Key> { BASE64_STANDARD.decode(text).ok()?.try_into().ok() };
            let salt = BASE64_STANDARD.decode(salt).ok()?;
            (kind == NAME && rounds.get() <= MOST_ROUNDS && (8..=64).contains(&salt.len())).then_some(Self {
                rounds,
                salt,
                stored_key: key(stored)?,
                server_key: key(server)?,
            })
        };
        read().ok_or_else(|| {
            Error::usage("the verifier is none of SCRAM-SHA-256").with_hint("sessionlake user add makes one")
        })
    }
}

/// A log-in that has begun: the server has said its part, and waits for the proof.
pub(super) struct Exchange {
    verifier: Verifier,
    /// The client's first message without its header, and the server's.
    said: String,
    nonce: String,
    /// The header of the client's first message, which its last one must repeat.
    header: String,
}

impl Exchange {
    /// Reads the client's first message; returns the exchange and the server's answer.
    ///
    /// # Errors
    /// A message that is none, or that asks for what is not there.
    pub fn begin(message: &[u8], verifier: Verifier) -> Result<(Self, String)> {
        let text = text(message)?;
        let (binding, rest) = text.split_once(',').ok_or_else(malformed)?;
        if binding != "n" && binding != "y" {
            return Err(Error::usage("channel binding is not offered").with_hint("connect with channel_binding=prefer"));
        }
        let (authorized, bare) = rest.split_once(',').ok_or_else(malformed)?;
        if !authorized.is_empty() && !authorized.starts_with("a=") {
            return Err(malformed());
        }
        let mut fields = bare.split(',');
        let (Some(name), Some(nonce)) = (fields.next(), fields.next()) else { return Err(malformed()) };
        // `m=` would be an extension that must be understood.
        if !name.starts_with("n=") {
            return Err(malformed());
        }
        let theirs = nonce.strip_prefix("r=").filter(|nonce| is_printable(nonce)).ok_or_else(malformed)?;
        let mut ours = [0; NONCE_BYTES];
        random(&mut ours)?;
        let nonce = format!("{theirs}{}", BASE64_STANDARD.encode(ours));
        let salt = BASE64_STANDARD.encode(&verifier.salt);
        let answer = format!("r={nonce},s={salt},i={}", verifier.rounds);
        let header = format!("{binding},{authorized},");
        Ok((Self { said: format!("{bare},{answer}"), nonce, header, verifier }, answer))
    }

    /// Reads the client's proof; returns the server's own, or nothing where the password is another.
    ///
    /// # Errors
    /// A message that is none.
    pub fn end(&self, message: &[u8]) -> Result<Option<String>> {
        let text = text(message)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or_else(malformed)?;
        let mut fields = without_proof.split(',');
        let (Some(binding), Some(nonce)) = (fields.next(), fields.next()) else { return Err(malformed()) };
        let header =
            binding.strip_prefix("c=").and_then(|text| BASE64_STANDARD.decode(text).ok()).ok_or_else(malformed)?;
        let nonce = nonce.strip_prefix("r=").ok_or_else(malformed)?;
        if header != self.header.as_bytes() || nonce != self.nonce {
            return Err(malformed());
        }
        let proof: Key =
            BASE64_STANDARD.decode(proof).ok().and_then(|proof| proof.try_into().ok()).ok_or_else(malformed)?;
        let said = format!("{},{without_proof}", self.said);
        let signature = mac(&self.verifier.stored_key, said.as_bytes());
        let mut client_key = proof;
        client_key.iter_mut().zip(signature).for_each(|(byte, of_signature)| *byte ^= of_signature);
        if !equal(&hash(&client_key), &self.verifier.stored_key) {
            return Ok(None);
        }
        Ok(Some(format!("v={}", BASE64_STANDARD.encode(mac(&self.verifier.server_key, said.as_bytes())))))
    }
}

/// Fills bytes by chance.
///
/// # Errors
/// A system without random numbers.
pub(super) fn random(bytes: &mut [u8]) -> Result<()> {
    SystemRandom::new().fill(bytes).map_err(|_| Error::internal("the system has no random numbers"))
}

/// Compares in a time that does not tell where two keys differ.
fn equal(a: &Key, b: &Key) -> bool {
    a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn salted(password: &str, salt: &[u8], rounds: NonZeroU32) -> Key {
    // A password that SASLprep refuses is hashed as it is, as PostgreSQL and its clients do.
    let prepared = stringprep::saslprep(password).unwrap_or(std::borrow::Cow::Borrowed(password));
    let mut salted = [0; digest::SHA256_OUTPUT_LEN];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, prepared.as_bytes(), &mut salted);
    salted
}

fn mac(key: &[u8], message: &[u8]) -> Key {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let mut bytes = [0; digest::SHA256_OUTPUT_LEN];
    bytes.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}

fn hash(message: &[u8]) -> Key {
    let found = digest::digest(&digest::SHA256, message);
    let mut bytes = [0; digest::SHA256_OUTPUT_LEN];
    bytes.iter_mut().zip(found.as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}

fn text(message: &[u8]) -> Result<&str> {
    std::str::from_utf8(message).ok().filter(|text| text.len() <= MOST_BYTES).ok_or_else(malformed)
}

fn is_printable(nonce: &str) -> bool {
    !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

fn malformed() -> Error {
    Error::usage("the message is none of SCRAM-SHA-256")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client's side, by the same rules.
    fn proof(password: &str, verifier: &Verifier, bare: &str, server_first: &str, header: &str) -> String {
        let salted = salted(password, &verifier.salt, verifier.rounds);
        let client_key = mac(&salted, b"Client Key");
        let nonce = server_first.split(',').next().unwrap();
        let without_proof = format!("c={},{nonce}", BASE64_STANDARD.encode(header));
        let said = format!("{bare},{server_first},{without_proof}");
        let signature = mac(&hash(&client_key), said.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        format!("{without_proof},p={}", BASE64_STANDARD.encode(proof))
    }

    #[test]
    fn the_example_of_the_rfc_gives_its_signatures() {
        // RFC 7677, section 3, with the server's half of the nonce as there.
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::with("pencil", salt, ROUNDS);
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let first = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let exchange = Exchange {
            verifier,
            said: format!("n=user,r=rOprNGfwEbeRWgbNEkqO,{first}"),
            nonce: nonce.to_owned(),
            header: "n,,".to_owned(),
        };
        let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let signed = exchange.end(last.as_bytes()).unwrap();
        assert_eq!(signed.as_deref(), Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert_eq!(exchange.end(last.replace("dHzb", "dHzc").as_bytes()).unwrap(), None);
    }

    #[test]
    fn the_right_password_is_let_in_and_no_other() {
        let verifier = Verifier::of("correct horse").unwrap();
        assert!(verifier.fits("correct horse"));
        assert!(!verifier.fits("correct hors") && !verifier.fits(""));
        let written: Verifier = verifier.to_string().parse().unwrap();
        assert_eq!(written, verifier);
        let bare = "n=,r=abc";
        for (header, password, is_in) in
            [("n,,", "correct horse", true), ("y,,", "correct horse", true), ("n,,", "wrong", false)]
        {
            let (exchange, first) = Exchange::begin(format!("{header}{bare}").as_bytes(), verifier.clone()).unwrap();
            let last = proof(password, &verifier, bare, &first, header);
            assert_eq!(exchange.end(last.as_bytes()).unwrap().is_some(), is_in, "{header} {password}");
        }
        let nobody = Verifier::of_nobody(b"secret", "eve");
        assert_eq!(nobody, Verifier::of_nobody(b"secret", "eve"));
        assert_ne!(nobody.salt, Verifier::of_nobody(b"secret", "eva").salt);
        assert!(!nobody.fits(""));
    }

    #[test]
    fn messages_that_are_none_are_refused() {
        let verifier = Verifier::of("x").unwrap();
        for message in
            ["", "n", "n,,", "n,,n=", "n,,n=a,x=1", "n,,m=1,r=a", "p=tls-unique,,n=a,r=b", "n,b,n=a,r=b", "n,,n=a,r="]
        {
            assert!(Exchange::begin(message.as_bytes(), verifier.clone()).is_err(), "{message}");
        }
        assert!(Exchange::begin(&[0xff, 0xfe], verifier.clone()).is_err());
        let (exchange, first) = Exchange::begin(b"n,,n=,r=abc", verifier.clone()).unwrap();
        let good = proof("x", &verifier, "n=,r=abc", &first, "n,,");
        for bad in [
            String::new(),
            "c=biws".to_owned(),
            good.replace("biws", "eSws"),
            good.replace("r=abc", "r=abd"),
            format!("{good}="),
        ] {
            assert!(exchange.end(bad.as_bytes()).is_err(), "{bad}");
        }
        for text in ["", "md5abc", "SCRAM-SHA-256$4096:c2FsdA==$a:b", "SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$:"] {
            assert!(text.parse::<Verifier>().is_err(), "{text}");
        }
    }
}
