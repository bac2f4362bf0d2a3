//! The choice of the requests to record.

/// The number of requests or users that are recorded completely, approximately.
const MAX_RECORDED: u64 = 2_000;

/// A sample of the requests of a run. It is small enough for the trace buffer.
///
/// If there are users, some users are recorded with all their requests. Otherwise some
/// requests are recorded, and of the others the ends, so that latencies are exact.
#[derive(Clone, Copy, Default)]
pub(super) struct Sampling {
    /// One in this many is recorded.
    pub(super) every: u64,
    pub(super) has_users: bool,
}

impl Sampling {
    pub(super) fn new(users: u64, requests: u64) -> Self {
        let has_users = users > 0;
        let count = if has_users { users } else { requests };
        Sampling {
            every: count.div_ceil(MAX_RECORDED).max(1),
            has_users,
        }
    }

    /// Returns whether a request is recorded, given its subject in the trace.
    pub(super) fn includes(self, subject: u64) -> bool {
        if self.has_users {
            return subject.is_multiple_of(self.every);
        }
        // Multiples of the golden ratio, since every n-th request might go to the same
        // worker.
        let hash = subject.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash <= u64::MAX / self.every
    }
}
