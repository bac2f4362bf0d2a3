//! The turn table, in memory that the supervisor shares with its workers.
//!
//! The table is an anonymous file, whose descriptor each worker inherits. During a reload,
//! the supervisor and a worker can be different builds: a worker that does not support the
//! layout accepts connections without taking turns.

use super::{TurnEntry, Turns};
use nix::{
    fcntl::{FcntlArg, fcntl},
    sys::mman::{MapFlags, ProtFlags, mmap},
};
use std::{
    collections::BTreeSet,
    fs::File,
    io,
    num::NonZero,
    os::fd::{AsFd, OwnedFd},
    slice,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

/// Identifies a turn table and its layout version.
const MAGIC: u64 = u64::from_be_bytes(*b"HWTURNS1");

/// The number of entries: enough for 1,024 workers, their replacements and draining
/// workers.
const ENTRY_COUNT: usize = 4096;

/// The header at the start of the memory, which is followed by the entries.
#[repr(C, align(64))]
struct Header {
    magic: AtomicU64,
    /// The size of an entry, in bytes.
    entry_bytes: AtomicU64,
    entry_count: AtomicU64,
    /// The number of entries that have ever been in use.
    used_entries: AtomicU64,
}

/// The supervisor's side of the table, which assigns entries to workers.
#[derive(Debug)]
pub(crate) struct TurnTable {
    file: File,
    memory: Memory,
    reserved: Mutex<BTreeSet<usize>>,
}

/// A worker's reserved entry. It is dropped after the worker has exited.
#[derive(Debug)]
pub(crate) struct EntryReservation {
    table: Arc<TurnTable>,
    index: usize,
}

#[derive(Clone, Copy, Debug)]
struct Memory {
    used_entries: &'static AtomicU64,
    entries: &'static [TurnEntry],
}

impl TurnTable {
    /// Creates an empty table.
    ///
    /// # Errors
    ///
    /// If the system is out of memory or file descriptors.
    pub(crate) fn create() -> io::Result<Arc<Self>> {
        let file = create_file(size_of::<Header>() + ENTRY_COUNT * size_of::<TurnEntry>())?;
        let header = map_file(&file, size_of::<Header>())?.0;
        header
            .entry_bytes
            .store(size_of::<TurnEntry>() as u64, SeqCst);
        header.entry_count.store(ENTRY_COUNT as u64, SeqCst);
        header.magic.store(MAGIC, SeqCst);
        let memory = Memory::of(&file)?;
        Ok(Arc::new(TurnTable {
            file,
            memory,
            reserved: Mutex::default(),
        }))
    }

    /// Reserves an entry for a worker that is about to start. Returns `None` if all
    /// entries are in use.
    pub(crate) fn reserve(self: &Arc<Self>) -> Option<EntryReservation> {
        let mut reserved = self.reserved();
        let mut indices = 0..self.memory.entries.len();
        let index = indices.find(|index| !reserved.contains(index))?;
        reserved.insert(index);
        self.memory.entries[index].reset();
        self.memory.used_entries.fetch_max(index as u64 + 1, SeqCst);
        Some(EntryReservation {
            table: Arc::clone(self),
            index,
        })
    }

    fn reserved(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EntryReservation {
    /// Returns a descriptor of the table and the index of the entry, for the worker.
    pub(crate) fn descriptor(&self) -> io::Result<(OwnedFd, usize)> {
        Ok((self.table.file.as_fd().try_clone_to_owned()?, self.index))
    }
}

impl Drop for EntryReservation {
    fn drop(&mut self) {
        self.table.memory.entries[self.index].reset();
        self.table.reserved().remove(&self.index);
    }
}

/// Returns the turns of a worker that inherited this table and entry. They are
/// [unshared](Turns::unshared) unless this build supports the table.
pub(crate) fn inherit(table: OwnedFd, own: usize) -> Turns {
    let memory = Memory::of(&File::from(table)).ok();
    match memory.filter(|memory| own < memory.entries.len()) {
        Some(memory) => Turns {
            entries: memory.entries,
            used_entries: memory.used_entries,
            own,
        },
        None => Turns::unshared(),
    }
}

impl Memory {
    /// Maps an existing table. It stays mapped until this process exits.
    fn of(file: &File) -> io::Result<Self> {
        let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(0);
        let unsupported = || io::Error::from(io::ErrorKind::InvalidData);
        if bytes < size_of::<Header>() || !is_size_sealed(file) {
            return Err(unsupported());
        }
        let (header, entries) = map_file(file, bytes)?;
        let is_supported = header.magic.load(SeqCst) == MAGIC
            && header.entry_bytes.load(SeqCst) == size_of::<TurnEntry>() as u64
            && header.entry_count.load(SeqCst) == entries.len() as u64;
        if !is_supported {
            return Err(unsupported());
        }
        Ok(Memory {
            used_entries: &header.used_entries,
            entries,
        })
    }
}

/// Maps a file of the given size: a header and as many entries as fit.
fn map_file(file: &File, bytes: usize) -> io::Result<(&'static Header, &'static [TurnEntry])> {
    let entries_bytes = bytes.saturating_sub(size_of::<Header>());
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
        let count = entries_bytes / size_of::<TurnEntry>();
        let entries = slice::from_raw_parts(entries.as_ptr(), count);
        Ok((header.as_ref(), entries))
    }
}

/// Creates an in-memory file of a fixed size.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn create_file(bytes: usize) -> io::Result<File> {
    use nix::{
        fcntl::SealFlag,
        sys::memfd::{MFdFlags, memfd_create},
    };
    let file = File::from(memfd_create(
        "turns",
        MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_CLOEXEC,
    )?);
    file.set_len(bytes as u64)?;
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn create_file(bytes: usize) -> io::Result<File> {
    let file = tempfile::tempfile()?;
    file.set_len(bytes as u64)?;
    Ok(file)
}

/// Returns true if no process can truncate the file. Truncating it would crash the
/// processes that have it mapped.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_size_sealed(file: &File) -> bool {
    use nix::fcntl::SealFlag;
    let seals = fcntl(file, FcntlArg::F_GET_SEALS).unwrap_or(0);
    SealFlag::from_bits_truncate(seals).contains(SealFlag::F_SEAL_SHRINK)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_size_sealed(_file: &File) -> bool {
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
        assert_eq!(table.memory.used_entries.load(SeqCst), 3);
        let [first, second, third] = &reservations[..] else {
            panic!("expected three reservations");
        };
        assert_eq!((first.index, second.index, third.index), (0, 1, 2));
        let entry = &table.memory.entries[1];
        entry.is_accepting.store(1, SeqCst);
        drop(reservations);
        assert!(!entry.takes_turns());
        assert_eq!(table.reserve().unwrap().index, 0);
    }

    #[test]
    fn mappings_share_the_same_entries() {
        let table = TurnTable::create().unwrap();
        let memory = Memory::of(&table.file).unwrap();
        memory.entries[7].accepted.store(42, SeqCst);
        assert_eq!(table.memory.entries[7].accepted(), 42);
    }

    #[test]
    fn unsupported_layouts_are_rejected() {
        let table = TurnTable::create().unwrap();
        let header = map_file(&table.file, size_of::<Header>()).unwrap().0;
        for field in [&header.magic, &header.entry_bytes, &header.entry_count] {
            let original = field.swap(1, SeqCst);
            assert!(Memory::of(&table.file).is_err());
            field.store(original, SeqCst);
        }
        assert!(Memory::of(&table.file).is_ok());
        assert!(Memory::of(&tempfile::tempfile().unwrap()).is_err());
    }

    #[test]
    fn full_table_returns_no_reservation() {
        let table = TurnTable::create().unwrap();
        let reservations: Vec<EntryReservation> =
            (0..ENTRY_COUNT).map_while(|_| table.reserve()).collect();
        assert_eq!(reservations.len(), ENTRY_COUNT);
        assert!(table.reserve().is_none());
    }
}
