//! Room for the lines to many workers.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Two for each worker and each newcomer, and some.
const FILES: u64 = 4096;

/// Lets this process have as many files open as it may need. The soft limit is
/// low by tradition, for programs that keep files in a bit set.
pub(super) fn make_room() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    if soft < FILES {
        // Where it fails, a worker too many cannot be started, and that is told.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, FILES.min(hard), hard);
    }
}
