//! The table of turns as memory that the supervisor shares with its workers.
//!
//! It is a file without a name. The workers inherit its descriptor; an environment
//! variable says which one it is, and which entry is the worker's. During a reload
//! supervisor and worker may be of different builds: a worker that does not know the
//! variable, or does not know the layout, accepts connections without turns.

use super::{TurnEntry, Turns};
use nix::{
    fcntl::{FcntlArg, fcntl},
    sys::mman::{MapFlags, ProtFlags, mmap},
};
use std::{
    collections::BTreeSet,
    env,
    fs::File,
    io,
    num::NonZero,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    slice,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

/// The environment variable: the descriptor and the index of the worker's entry, as
/// `5:0`.
pub(in crate::serve) const TURNS_VARIABLE: &str = "HIGHWATER_TURNS";

/// Says what the memory is, and in which version of the layout.
const MAGIC: u64 = u64::from_be_bytes(*b"HWTURNS1");

/// Enough for 1,024 workers, their replacements, and as many that drain.
const ENTRIES: usize = 4096;

/// The beginning of the memory. The entries follow.
#[repr(C, align(64))]
struct Header {
    magic: AtomicU64,
    /// The size of an entry, in bytes.
    entry_bytes: AtomicU64,
    entries: AtomicU64,
    /// The number of entries that were ever in use.
    used: AtomicU64,
}

/// The supervisor's view: which entry is whose.
#[derive(Debug)]
pub(in crate::serve) struct TurnTable {
    file: File,
    memory: Memory,
    taken: Mutex<BTreeSet<usize>>,
}

/// A worker's entry, reserved until this is dropped, when the worker has exited.
#[derive(Debug)]
pub(in crate::serve) struct ReservedEntry {
    table: Arc<TurnTable>,
    index: usize,
}

#[derive(Clone, Copy, Debug)]
struct Memory {
    used: &'static AtomicU64,
    entries: &'static [TurnEntry],
}

impl TurnTable {
    /// Creates a table without workers. Every process that this one starts inherits
    /// its descriptor.
    ///
    /// # Errors
    ///
    /// If the system has no memory or no descriptor for it.
    pub(in crate::serve) fn create() -> io::Result<Arc<Self>> {
        let file = file(size_of::<Header>() + ENTRIES * size_of::<TurnEntry>())?;
        let header = map(&file, size_of::<Header>())?.0;
        header
            .entry_bytes
            .store(size_of::<TurnEntry>() as u64, SeqCst);
        header.entries.store(ENTRIES as u64, SeqCst);
        header.magic.store(MAGIC, SeqCst);
        let memory = Memory::of(&file)?;
        Ok(Arc::new(TurnTable {
            file,
            memory,
            taken: Mutex::default(),
        }))
    }

    /// Reserves an entry for a worker that is about to start; `None` if all are in
    /// use.
    pub(in crate::serve) fn reserve(self: &Arc<Self>) -> Option<ReservedEntry> {
        let mut taken = self.taken();
        let mut indices = 0..self.memory.entries.len();
        let index = indices.find(|index| !taken.contains(index))?;
        taken.insert(index);
        self.memory.entries[index].reset();
        self.memory.used.fetch_max(index as u64 + 1, SeqCst);
        Some(ReservedEntry {
            table: Arc::clone(self),
            index,
        })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReservedEntry {
    /// The value of [`TURNS_VARIABLE`] for the worker.
    pub(in crate::serve) fn variable(&self) -> String {
        format!("{}:{}", self.table.file.as_raw_fd(), self.index)
    }
}

impl Drop for ReservedEntry {
    fn drop(&mut self) {
        self.table.memory.entries[self.index].reset();
        self.table.taken().remove(&self.index);
    }
}

/// Returns the turns of this process, which a supervisor has started; without others
/// if it shares no table that this build understands.
pub(in crate::serve) fn inherit() -> Turns {
    inherited().unwrap_or_else(Turns::unshared)
}

fn inherited() -> Option<Turns> {
    let variable = env::var(TURNS_VARIABLE).ok()?;
    let (descriptor, index) = variable.split_once(':')?;
    let (descriptor, own) = (descriptor.parse().ok()?, index.parse().ok()?);
    // Those below are the standard ones.
    if descriptor <= 2 {
        return None;
    }
    // SAFETY: the supervisor has left it open for this process, which has opened
    // nothing by that number itself: whatever the kernel opens gets a free one.
    let file = unsafe { OwnedFd::from_raw_fd(descriptor) };
    fcntl(&file, FcntlArg::F_GETFD).ok()?;
    let memory = Memory::of(&File::from(file)).ok()?;
    (own < memory.entries.len()).then_some(Turns {
        entries: memory.entries,
        used: memory.used,
        own,
    })
}

impl Memory {
    /// Maps a table that somebody has created, for the rest of this process's life.
    fn of(file: &File) -> io::Result<Self> {
        let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(0);
        let unknown = || io::Error::from(io::ErrorKind::InvalidData);
        if bytes < size_of::<Header>() || !keeps_its_size(file) {
            return Err(unknown());
        }
        let (header, entries) = map(file, bytes)?;
        let is_known = header.magic.load(SeqCst) == MAGIC
            && header.entry_bytes.load(SeqCst) == size_of::<TurnEntry>() as u64
            && header.entries.load(SeqCst) == entries.len() as u64;
        if !is_known {
            return Err(unknown());
        }
        Ok(Memory {
            used: &header.used,
            entries,
        })
    }
}

/// Maps a file of so many bytes: a header, and as many entries as there is room for.
fn map(file: &File, bytes: usize) -> io::Result<(&'static Header, &'static [TurnEntry])> {
    let room = bytes.saturating_sub(size_of::<Header>());
    let length = NonZero::new(bytes).filter(|_| bytes >= size_of::<Header>());
    let length = length.ok_or(io::ErrorKind::InvalidInput)?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping at an address that the system chooses. It is never
    // unmapped, so that references into it stay valid.
    let start = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, file, 0)? };
    // SAFETY: it begins at a page, so it is aligned; it has room for both; and both
    // consist of atomic integers, which have no invalid values and may be changed by
    // other processes at any time.
    unsafe {
        let header = start.cast::<Header>();
        let entries = header.add(1).cast::<TurnEntry>();
        let count = room / size_of::<TurnEntry>();
        let entries = slice::from_raw_parts(entries.as_ptr(), count);
        Ok((header.as_ref(), entries))
    }
}

/// A file in memory, of this size for ever, which processes inherit.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn file(bytes: usize) -> io::Result<File> {
    use nix::{
        fcntl::SealFlag,
        sys::memfd::{MFdFlags, memfd_create},
    };
    let file = File::from(memfd_create("turns", MFdFlags::MFD_ALLOW_SEALING)?);
    file.set_len(bytes as u64)?;
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn file(bytes: usize) -> io::Result<File> {
    let file = tempfile::tempfile()?;
    file.set_len(bytes as u64)?;
    fcntl(&file, FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()))?;
    Ok(file)
}

/// Returns whether no process can truncate the file, which would crash those that
/// have it mapped.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn keeps_its_size(file: &File) -> bool {
    use nix::fcntl::SealFlag;
    let seals = fcntl(file, FcntlArg::F_GET_SEALS).unwrap_or(0);
    SealFlag::from_bits_truncate(seals).contains(SealFlag::F_SEAL_SHRINK)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn keeps_its_size(_file: &File) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_reserved_until_the_worker_has_exited() {
        let table = TurnTable::create().unwrap();
        let seats: Vec<ReservedEntry> = (0..3).map(|_| table.reserve().unwrap()).collect();
        assert_eq!(table.memory.used.load(SeqCst), 3);
        let [first, second, third] = &seats[..] else {
            panic!("there are three");
        };
        assert!(first.variable().ends_with(":0"), "{}", first.variable());
        assert!(second.variable().ends_with(":1"), "{}", second.variable());
        assert!(third.variable().ends_with(":2"), "{}", third.variable());
        let entry = &table.memory.entries[1];
        entry.accepts.store(1, SeqCst);
        drop(seats);
        assert!(!entry.takes_turns());
        assert!(table.reserve().unwrap().variable().ends_with(":0"));
    }

    #[test]
    fn processes_see_the_same_entries() {
        let table = TurnTable::create().unwrap();
        let memory = Memory::of(&table.file).unwrap();
        memory.entries[7].taken.store(42, SeqCst);
        assert_eq!(table.memory.entries[7].taken(), 42);
    }

    #[test]
    fn unknown_layouts_are_not_used() {
        let table = TurnTable::create().unwrap();
        let header = map(&table.file, size_of::<Header>()).unwrap().0;
        for field in [&header.magic, &header.entry_bytes, &header.entries] {
            let known = field.swap(1, SeqCst);
            assert!(Memory::of(&table.file).is_err());
            field.store(known, SeqCst);
        }
        assert!(Memory::of(&table.file).is_ok());
        assert!(Memory::of(&tempfile::tempfile().unwrap()).is_err());
    }

    #[test]
    fn full_table_has_no_entry_left() {
        let table = TurnTable::create().unwrap();
        let seats: Vec<ReservedEntry> = (0..ENTRIES).map_while(|_| table.reserve()).collect();
        assert_eq!(seats.len(), ENTRIES);
        assert!(table.reserve().is_none());
    }
}
