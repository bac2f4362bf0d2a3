//! The table of turns, in memory that the supervisor shares with its workers.
//!
//! The table is an anonymous file. Workers inherit its descriptor; an environment
//! variable carries the descriptor and the index of the worker's entry. During a reload
//! the supervisor and a worker may be different builds: a worker that does not support
//! the variable or the layout accepts connections without turns.

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

/// The environment variable with the descriptor and the index of the worker's entry,
/// such as `5:0`.
pub(in crate::serve) const TURNS_VARIABLE: &str = "HIGHWATER_TURNS";

/// Identifies the memory and the version of its layout.
const MAGIC: u64 = u64::from_be_bytes(*b"HWTURNS1");

/// Enough for 1,024 workers, their replacements and draining workers.
const ENTRIES: usize = 4096;

/// The start of the memory. The entries follow.
#[repr(C, align(64))]
struct Header {
    magic: AtomicU64,
    /// The size of an entry, in bytes.
    entry_bytes: AtomicU64,
    entries: AtomicU64,
    /// The number of entries that have ever been in use.
    used: AtomicU64,
}

/// The supervisor's side of the table, which assigns entries to workers.
#[derive(Debug)]
pub(in crate::serve) struct TurnTable {
    file: File,
    memory: Memory,
    taken: Mutex<BTreeSet<usize>>,
}

/// The reservation of a worker's entry. It is dropped after the worker has exited.
#[derive(Debug)]
pub(in crate::serve) struct EntryReservation {
    table: Arc<TurnTable>,
    index: usize,
}

#[derive(Clone, Copy, Debug)]
struct Memory {
    used: &'static AtomicU64,
    entries: &'static [TurnEntry],
}

impl TurnTable {
    /// Creates a table without workers. Every child of this process inherits its
    /// descriptor.
    ///
    /// # Errors
    ///
    /// If the system is out of memory or file descriptors.
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

    /// Reserves an entry for a worker that is about to start. `None` if all are in use.
    pub(in crate::serve) fn reserve(self: &Arc<Self>) -> Option<EntryReservation> {
        let mut taken = self.taken();
        let mut indices = 0..self.memory.entries.len();
        let index = indices.find(|index| !taken.contains(index))?;
        taken.insert(index);
        self.memory.entries[index].reset();
        self.memory.used.fetch_max(index as u64 + 1, SeqCst);
        Some(EntryReservation {
            table: Arc::clone(self),
            index,
        })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EntryReservation {
    /// Returns the value of [`TURNS_VARIABLE`] for the worker.
    pub(in crate::serve) fn variable(&self) -> String {
        format!("{}:{}", self.table.file.as_raw_fd(), self.index)
    }
}

impl Drop for EntryReservation {
    fn drop(&mut self) {
        self.table.memory.entries[self.index].reset();
        self.table.taken().remove(&self.index);
    }
}

/// Returns the turns of this worker process. They are [unshared](Turns::unshared) if
/// there is no inherited table that this build supports.
pub(in crate::serve) fn inherit() -> Turns {
    inherited().unwrap_or_else(Turns::unshared)
}

fn inherited() -> Option<Turns> {
    let variable = env::var(TURNS_VARIABLE).ok()?;
    let (descriptor, index) = variable.split_once(':')?;
    let (descriptor, own) = (descriptor.parse().ok()?, index.parse().ok()?);
    // Standard input, output and error are never the table.
    if descriptor <= 2 {
        return None;
    }
    // SAFETY: the supervisor left the descriptor open for this process, and this process
    // has not opened it itself: the kernel assigns only free descriptors.
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
    /// Maps an existing table. It stays mapped until this process exits.
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

/// Maps a file of the given size: a header and as many entries as fit.
fn map(file: &File, bytes: usize) -> io::Result<(&'static Header, &'static [TurnEntry])> {
    let room = bytes.saturating_sub(size_of::<Header>());
    let length = NonZero::new(bytes).filter(|_| bytes >= size_of::<Header>());
    let length = length.ok_or(io::ErrorKind::InvalidInput)?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: the mapping is new, at an address that the system chooses. It is never
    // unmapped, so references into it stay valid.
    let start = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, file, 0)? };
    // SAFETY: the mapping starts at a page, so it is aligned. It has room for the header
    // and the entries. Both consist of atomic integers, which have no invalid values and
    // which other processes may change at any time.
    unsafe {
        let header = start.cast::<Header>();
        let entries = header.add(1).cast::<TurnEntry>();
        let count = room / size_of::<TurnEntry>();
        let entries = slice::from_raw_parts(entries.as_ptr(), count);
        Ok((header.as_ref(), entries))
    }
}

/// Creates an inheritable file in memory, of a fixed size.
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

/// Returns true if no process can truncate the file, which would crash the processes
/// that have it mapped.
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
    fn dropped_reservations_free_their_entries() {
        let table = TurnTable::create().unwrap();
        let reservations: Vec<EntryReservation> =
            (0..3).map(|_| table.reserve().unwrap()).collect();
        assert_eq!(table.memory.used.load(SeqCst), 3);
        let [first, second, third] = &reservations[..] else {
            panic!("expected three reservations");
        };
        assert!(first.variable().ends_with(":0"), "{}", first.variable());
        assert!(second.variable().ends_with(":1"), "{}", second.variable());
        assert!(third.variable().ends_with(":2"), "{}", third.variable());
        let entry = &table.memory.entries[1];
        entry.accepts.store(1, SeqCst);
        drop(reservations);
        assert!(!entry.takes_turns());
        assert!(table.reserve().unwrap().variable().ends_with(":0"));
    }

    #[test]
    fn processes_see_the_same_entries() {
        let table = TurnTable::create().unwrap();
        let memory = Memory::of(&table.file).unwrap();
        memory.entries[7].accepted.store(42, SeqCst);
        assert_eq!(table.memory.entries[7].accepted(), 42);
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
    fn full_table_reserves_nothing() {
        let table = TurnTable::create().unwrap();
        let reservations: Vec<EntryReservation> =
            (0..ENTRIES).map_while(|_| table.reserve()).collect();
        assert_eq!(reservations.len(), ENTRIES);
        assert!(table.reserve().is_none());
    }
}
