//! The keys that tokens are checked by: all of one algorithm. The arithmetic is ring's, which holds TLS already.

use std::fmt;

use ring::{hmac, signature};
use rustls_pki_types::pem::{PemObject, SectionKind};

use super::der::{self, PublicKey, without_zeros};
use super::refusal::Refusal;

/// The shortest HMAC secret, in bytes: as long as the hash (RFC 7518, 3.2).
const SHORTEST_SECRET: usize = 32;
/// How long an RSA modulus may be, in bits; the lower bound is RFC 7518's, the upper one ring's.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// How tokens are signed. Exactly one is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256: one secret signs and checks.
    Hs256,
    /// RSA (PKCS #1 v1.5) with SHA-256.
    Rs256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// As RFC 7518 and RFC 8037 write it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Hs256 => "HS256",
            Algorithm::Rs256 => "RS256",
            Algorithm::EdDsa => "EdDSA",
        }
    }

    /// Whether a header or a key that says `alg` means this one; RFC 9864 calls EdDSA by its curve.
    pub fn is_named(self, alg: &str) -> bool {
        alg == self.name() || (self == Algorithm::EdDsa && alg == "Ed25519")
    }
}

impl std::str::FromStr for Algorithm {
    type Err = ();

    fn from_str(text: &str) -> Result<Algorithm, ()> {
        [Algorithm::Hs256, Algorithm::Rs256, Algorithm::EdDsa].into_iter().find(|a| a.name() == text).ok_or(())
    }
}

/// What a key is made of.
#[derive(Clone)]
pub enum Material {
    Secret(hmac::Key),
    /// Big-endian, without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Ed25519(Vec<u8>),
}

impl Material {
    /// # Errors
    /// Why the secret is too weak.
    pub fn secret(secret: &[u8]) -> Result<Material, &'static str> {
        if secret.len() < SHORTEST_SECRET {
            return Err("it is shorter than 32 bytes; `openssl rand -hex 32` makes one");
        }
        if secret.windows(10).any(|part| part == b"-----BEGIN") {
            return Err("it is a key in PEM; a public key is no secret");
        }
        Ok(Material::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// # Errors
    /// Why the key is too weak, or none.
    pub fn rsa(n: &[u8], e: &[u8]) -> Result<Material, &'static str> {
        let (n, e) = (without_zeros(n), without_zeros(e));
        let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if !RSA_BITS.contains(&bits) {
            return Err("it is an RSA key of fewer than 2048 or more than 8192 bits");
        }
        let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
        if !is_odd(n) || !is_odd(e) || e == [1] || e.len() > 4 {
            return Err("its modulus or exponent is that of no RSA key in use");
        }
        Ok(Material::Rsa { n: n.to_vec(), e: e.to_vec() })
    }

    /// # Errors
    /// Why it is no key.
    pub fn ed25519(key: &[u8]) -> Result<Material, &'static str> {
        if key.len() == 32 { Ok(Material::Ed25519(key.to_vec())) } else { Err("it is no Ed25519 key of 32 bytes") }
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Material::Secret(_) => Algorithm::Hs256,
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Material::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Material::Rsa { n, e } => {
                let key = signature::RsaPublicKeyComponents { n, e };
                key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
            Material::Ed25519(key) => {
                signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature).is_ok()
            }
        }
    }
}

/// One key, with the name that tokens may call it by.
#[derive(Clone)]
pub struct Key {
    pub id: Option<String>,
    pub material: Material,
}

/// The keys of this server: of one algorithm, at least one. Shows none of them.
#[derive(Clone)]
pub struct Keys {
    algorithm: Algorithm,
    keys: Vec<Key>,
}

impl Keys {
    /// Those of the algorithm; `None` if there is none.
    pub fn of(algorithm: Algorithm, keys: impl IntoIterator<Item = Key>) -> Option<Keys> {
        let keys: Vec<Key> = keys.into_iter().filter(|key| key.material.algorithm() == algorithm).collect();
        (!keys.is_empty()).then_some(Keys { algorithm, keys })
    }

    /// One key without a name.
    pub fn one(material: Material) -> Keys {
        Keys { algorithm: material.algorithm(), keys: vec![Key { id: None, material }] }
    }

    /// The public key of a PEM text.
    ///
    /// # Errors
    /// Why it has none of the algorithm.
    pub fn from_pem(algorithm: Algorithm, pem: &[u8]) -> Result<Keys, &'static str> {
        let mut sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem);
        let der = match (sections.next(), sections.next()) {
            (Some(Ok((SectionKind::PublicKey, der))), None) => der,
            (Some(Ok((SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey, _))), _) => {
                return Err(
                    "it is a private key, which only who issues tokens may have; `openssl pkey -pubout` makes the public one",
                );
            }
            (Some(Ok(_)), Some(_)) => return Err("it has more than one key"),
            _ => return Err("it has no `BEGIN PUBLIC KEY`"),
        };
        let material = match der::public_key(&der).ok_or("it is no RSA and no Ed25519 key")? {
            PublicKey::Rsa { n, e } => Material::rsa(n, e)?,
            PublicKey::Ed25519(key) => Material::ed25519(key)?,
        };
        let keys = Keys::of(algorithm, [Key { id: None, material }]);
        keys.ok_or("it is a key of another algorithm than AGENT_API_JWT_ALGORITHM says")
    }

    /// Proves a signature. A key that has a name is tried only where the token calls it so, or calls none and there is
    /// only this key.
    ///
    /// # Errors
    /// [`Refusal::Key`] when no key fits the name; [`Refusal::Signature`] when none of those that do has signed.
    pub fn prove(&self, id: Option<&str>, message: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        let alone = self.keys.len() == 1;
        let fits = |key: &&Key| match (&key.id, id) {
            (None, _) => true,
            (Some(_), None) => alone,
            (Some(own), Some(id)) => own == id,
        };
        let mut fitting = self.keys.iter().filter(fits).peekable();
        if fitting.peek().is_none() {
            return Err(Refusal::Key);
        }
        if fitting.any(|key| key.material.has_signed(message, signature)) { Ok(()) } else { Err(Refusal::Signature) }
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key with this public half.
    pub fn counterpart(&self, public: &PublicKey) -> Option<&Key> {
        self.keys.iter().find(|key| match (&key.material, public) {
            (Material::Rsa { n, e }, PublicKey::Rsa { n: other, e: exponent }) => n == other && e == exponent,
            (Material::Ed25519(key), PublicKey::Ed25519(other)) => key == other,
            _ => false,
        })
    }

    /// The secret that both signs and checks, under HS256.
    pub fn secret(&self) -> Option<&hmac::Key> {
        self.keys.iter().find_map(|key| match &key.material {
            Material::Secret(secret) => Some(secret),
            _ => None,
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.keys.len(), self.algorithm.name())
    }
}
