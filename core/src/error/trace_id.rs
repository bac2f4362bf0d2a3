//! Trace ids of distributed tracing.

use std::fmt;

/// The id of a distributed trace, as in the `traceparent` header of W3C Trace Context.
/// Several services can share it, unlike a [`CorrelationId`](super::CorrelationId), which
/// identifies a single request. As text it has 32 hexadecimal digits.
///
/// ```
/// use highwater::error::TraceId;
///
/// let id = TraceId::from_bytes(*b"\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36");
/// assert_eq!(id.unwrap().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// Creates an id. Returns `None` if all bytes are zero, which the standard forbids.
    ///
    /// ```
    /// use highwater::error::TraceId;
    ///
    /// assert!(TraceId::from_bytes([7; 16]).is_some());
    /// assert_eq!(TraceId::from_bytes([0; 16]), None);
    /// ```
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(TraceId(bytes))
    }

    /// Returns the bytes.
    ///
    /// ```
    /// use highwater::error::TraceId;
    ///
    /// assert_eq!(TraceId::from_bytes([7; 16]).unwrap().to_bytes(), [7; 16]);
    /// ```
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for TraceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
