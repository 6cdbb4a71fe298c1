//! The little of DER that a public key in PEM is made of (RFC 5280, RFC 8017, RFC 8410). Lengths up to 65,535.

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
/// `rsaEncryption` with its NULL; and Ed25519, which has no parameters.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

/// A public key as it stands in a SubjectPublicKeyInfo.
#[derive(Debug, PartialEq, Eq)]
pub enum PublicKey<'a> {
    /// Modulus and exponent, big-endian, without leading zeros.
    Rsa {
        n: &'a [u8],
        e: &'a [u8],
    },
    Ed25519(&'a [u8]),
}

/// `None` for what is broken, has something behind it, or is a key of another kind.
pub fn public_key(spki: &[u8]) -> Option<PublicKey<'_>> {
    let (algorithm, rest) = element(SEQUENCE, only(SEQUENCE, spki)?)?;
    let key = only(BIT_STRING, rest)?.strip_prefix(&[0])?; // no unused bits
    match algorithm {
        RSA => rsa(key),
        ED25519 => Some(PublicKey::Ed25519(key)),
        _ => None,
    }
}

fn rsa(key: &[u8]) -> Option<PublicKey<'_>> {
    let (n, rest) = element(INTEGER, only(SEQUENCE, key)?)?;
    let e = only(INTEGER, rest)?;
    Some(PublicKey::Rsa { n: without_zeros(n), e: without_zeros(e) })
}

/// The number without leading zeros.
pub fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// The content of an element that nothing follows.
fn only(tag: u8, bytes: &[u8]) -> Option<&[u8]> {
    element(tag, bytes).and_then(|(content, rest)| rest.is_empty().then_some(content))
}

/// The content of the first element, and what follows it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match bytes.strip_prefix(&[tag])? {
        [short @ 0..=0x7f, rest @ ..] => (usize::from(*short), rest),
        [0x81, one @ 0x80..=0xff, rest @ ..] => (usize::from(*one), rest),
        [0x82, high @ 1..=0xff, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_or_followed_by_something_is_no_key() {
        let mut spki = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        spki.extend([7; 32]);
        assert_eq!(public_key(&spki), Some(PublicKey::Ed25519(&[7; 32])));
        for length in 0..spki.len() {
            assert_eq!(public_key(&spki[..length]), None, "{length}");
        }
        assert_eq!(public_key(&[&spki[..], &[0]].concat()), None);
        for (at, byte) in [(8, 0x71), (11, 1), (1, 0x29), (3, 0x80)] {
            let mut other = spki.clone();
            other[at] = byte; // Ed448, unused bits, wrong lengths
            assert_eq!(public_key(&other), None, "{at}");
        }
    }
}
