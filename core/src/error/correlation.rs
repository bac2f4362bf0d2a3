//! What joins a response with its lines in the log.

use super::{Classification, Classify, ErrorKind};
use crate::sync::{AtomicU64, Ordering};
use std::{fmt, str::FromStr};

/// The name of one request: the response has it, and so has each line of the
/// log about it.
///
/// It comes from [`Ids`], or from the client by [`parse`](Self::parse). It is
/// between 1 and 64 letters, digits, and `-`, `_`, `.` or `:`, so that it can
/// neither break a line of the log nor a header.
///
/// ```
/// use highwater::error::{CorrelationId, Ids};
///
/// let ids = Ids::new(7);
/// let from_client = |header: &[u8]| CorrelationId::parse(header).unwrap_or_else(|_| ids.make());
///
/// assert_eq!(from_client(b"order-42").as_str(), "order-42");
/// let made = from_client(b"x\r\nSet-Cookie: admin=1");
/// assert_eq!(made.as_str().len(), 32);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CorrelationId {
    // Unused bytes are 0, so that equal ids are equal.
    bytes: [u8; CorrelationId::LONGEST],
    length: u8,
}

/// A text that is no [`CorrelationId`]: empty, too long, or with a character that
/// none has. Make a [new one](Ids::make).
///
/// ```
/// use highwater::error::{AppError, CorrelationId, InvalidId};
///
/// assert_eq!(CorrelationId::parse(""), Err(InvalidId));
/// assert_eq!(AppError::from(InvalidId).status(), 400);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a correlation id is 1 to 64 letters, digits, '-', '_', '.' or ':'")]
pub struct InvalidId;

impl CorrelationId {
    /// The longest there are, in bytes.
    pub const LONGEST: usize = 64;

    /// What a client sent, if it is well-formed.
    ///
    /// Nothing stops a client from sending the id of somebody else's request:
    /// where clients are not trusted, make ids, and log theirs beside them.
    ///
    /// ```
    /// use highwater::error::CorrelationId;
    ///
    /// assert_eq!(CorrelationId::parse("order-42").unwrap().as_str(), "order-42");
    /// assert!(CorrelationId::parse("order 42").is_err());
    /// assert!(CorrelationId::parse([b'x'; 65]).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidId`] if it is not.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, InvalidId> {
        let text = text.as_ref();
        let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
        let mut bytes = [0; Self::LONGEST];
        let place = bytes.get_mut(..text.len()).ok_or(InvalidId)?;
        if text.is_empty() || !text.iter().all(is_allowed) {
            return Err(InvalidId);
        }
        place.copy_from_slice(text);
        let length = u8::try_from(text.len()).map_err(|_| InvalidId)?;
        Ok(CorrelationId { bytes, length })
    }

    /// As text.
    ///
    /// ```
    /// use highwater::error::CorrelationId;
    ///
    /// let id: CorrelationId = "order-42".parse().unwrap();
    /// assert_eq!(id.as_str(), "order-42");
    /// ```
    pub fn as_str(&self) -> &str {
        let bytes = &self.bytes[..usize::from(self.length)];
        // Only ASCII is taken in.
        str::from_utf8(bytes).unwrap_or_default()
    }
}

/// Where an id is asked for and has to be a good one.
impl Classify for InvalidId {
    fn classify(&self) -> Classification {
        Classification::new(ErrorKind::InvalidInput)
            .with_public("An id is 1 to 64 letters, digits, '-', '_', '.' or ':'.")
    }
}

impl FromStr for CorrelationId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

impl AsRef<str> for CorrelationId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CorrelationId({self})")
    }
}

impl serde::Serialize for CorrelationId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Makes [`CorrelationId`]s, all different: 32 hexadecimal digits, of which the
/// first half tells the generators apart and the second half its ids.
///
/// The same seed makes the same ids, so a simulated run can be repeated. For a
/// real one take a seed from the system's random source. The ids are no secret:
/// who has seen some can tell others.
///
/// ```
/// use highwater::error::Ids;
///
/// let ids = Ids::new(7);
/// let (first, second) = (ids.make(), ids.make());
/// assert_ne!(first, second);
/// assert_eq!(first.as_str()[..16], second.as_str()[..16]);
/// assert_eq!(Ids::new(7).make(), first);
/// assert_ne!(Ids::new(8).make(), first);
/// ```
#[derive(Debug)]
pub struct Ids {
    seed: u64,
    made: AtomicU64,
}

impl Ids {
    /// A generator that differs from those with other seeds.
    ///
    /// ```
    /// use highwater::error::Ids;
    ///
    /// assert_eq!(Ids::new(7).make(), Ids::new(7).make());
    /// assert_ne!(Ids::new(7).make(), Ids::new(8).make());
    /// ```
    pub fn new(seed: u64) -> Self {
        Ids {
            seed,
            made: AtomicU64::new(0),
        }
    }

    /// One that this generator has not made before. Threads may share it.
    ///
    /// ```
    /// use highwater::error::Ids;
    ///
    /// let ids = Ids::new(7);
    /// assert_ne!(ids.make(), ids.make());
    /// ```
    pub fn make(&self) -> CorrelationId {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let count = self.made.fetch_add(1, Ordering::Relaxed);
        // Added, a different count stays different, and so it does when mixed.
        let halves = [mix(self.seed), mix(self.seed.wrapping_add(count + 1))];
        let mut bytes = [0; CorrelationId::LONGEST];
        let made = halves.into_iter().flat_map(u64::to_be_bytes);
        for (byte, place) in made.zip(bytes.chunks_exact_mut(2)) {
            place[0] = DIGITS[usize::from(byte >> 4)];
            place[1] = DIGITS[usize::from(byte & 0xf)];
        }
        CorrelationId { bytes, length: 32 }
    }
}

/// The last step of `SplitMix64`: different numbers become different ones that
/// look nothing alike.
pub(super) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
