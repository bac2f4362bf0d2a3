//! What belongs to a file besides its content.

#[cfg(not(unix))]
use std::{fs::File, io};

/// What a draft is given when it is complete. The rest it has from the start.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    /// The permission bits, unless they are right already.
    #[cfg(unix)]
    mode: Option<u32>,
    /// Extended attributes that the system removes at each write.
    #[cfg(target_os = "linux")]
    late: Vec<extended::Attribute>,
}

#[cfg(unix)]
mod unix {
    use super::Attributes;
    use std::{
        fs::{File, Permissions},
        io,
        os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    };

    impl Attributes {
        /// Gives `draft` what `existing` has. It stays private until
        /// [applied](Self::apply).
        ///
        /// Returns what cannot be kept, as a clause.
        pub(in super::super) fn keep(existing: &File, draft: &File) -> Result<Self, String> {
            let metadata = existing.metadata().map_err(|cause| cause.to_string())?;
            let (user, group) = (metadata.uid(), metadata.gid());
            give(draft, user, group).map_err(|cause| {
                format!("its owner {user} and group {group} cannot be kept: {cause}")
            })?;
            #[cfg(target_os = "linux")]
            let late = super::extended::keep(existing, draft)?;
            make_private(draft).map_err(|cause| cause.to_string())?;
            Ok(Attributes {
                mode: Some(metadata.mode() & 0o7777),
                #[cfg(target_os = "linux")]
                late,
            })
        }

        /// Has `draft` become readable and writable for whom `model` is, and for
        /// nobody else.
        ///
        /// # Errors
        ///
        /// Whatever the system answers.
        pub(in super::super) fn copy(model: &File, draft: &File) -> io::Result<Self> {
            let metadata = model.metadata()?;
            // Root can give files away, others to a group they are in.
            let is_same_group = give(draft, metadata.uid(), metadata.gid()).is_ok()
                || give(draft, draft.metadata()?.uid(), metadata.gid()).is_ok();
            let mut mode = metadata.mode() & 0o777;
            if !is_same_group {
                // The group's members are now others, and the other way round.
                let both = (mode >> 3) & mode & 0o7;
                mode = mode & 0o700 | both << 3 | both;
            }
            #[cfg(target_os = "linux")]
            if !super::extended::copy_access_list(model, draft)? {
                // Without the list, the group's bits are not the group's.
                mode &= 0o707;
            }
            make_private(draft)?;
            Ok(Attributes {
                mode: Some(mode),
                ..Attributes::default()
            })
        }

        /// Gives the complete file what it could not have before.
        ///
        /// # Errors
        ///
        /// Whatever the system answers.
        pub(in super::super) fn apply(&self, draft: &File) -> io::Result<()> {
            #[cfg(target_os = "linux")]
            for attribute in &self.late {
                attribute.set(draft)?;
            }
            match self.mode {
                Some(mode) => draft.set_permissions(Permissions::from_mode(mode)),
                None => Ok(()),
            }
        }
    }

    /// Makes a user and a group own a file.
    fn give(file: &File, user: u32, group: u32) -> io::Result<()> {
        let now = file.metadata()?;
        if (now.uid(), now.gid()) == (user, group) {
            return Ok(());
        }
        // Only root may name a user, even if it is the same.
        let user = (now.uid() != user).then_some(user);
        fchown(file, user, Some(group))
    }

    fn make_private(file: &File) -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(0o600))
    }
}

#[cfg(not(unix))]
impl Attributes {
    /// There is nothing to keep that this knows of.
    pub(super) fn keep(_existing: &File, _draft: &File) -> Result<Self, String> {
        Ok(Attributes::default())
    }

    /// There is nothing to copy that this knows of.
    pub(super) fn copy(_model: &File, _draft: &File) -> io::Result<Self> {
        Ok(Attributes::default())
    }

    /// There is nothing to give.
    pub(super) fn apply(&self, _draft: &File) -> io::Result<()> {
        Ok(())
    }
}

/// Access lists are extended attributes here.
#[cfg(target_os = "linux")]
mod extended {
    use rustix::{
        fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr},
        io::{Errno, Result},
    };
    use std::{ffi::CString, fs::File, io};

    const ACCESS_LIST: &str = "system.posix_acl_access";

    /// What vouches for the old content, and is the system's to set.
    const OF_THE_CONTENT: [&str; 2] = ["security.ima", "security.evm"];

    /// An extended attribute.
    #[derive(Debug)]
    pub(super) struct Attribute {
        name: CString,
        value: Vec<u8>,
    }

    impl Attribute {
        /// Sets it, unless it is.
        pub(super) fn set(&self, file: &File) -> Result<()> {
            let is_set = get(file, &self.name)?.is_some_and(|value| value == self.value);
            if is_set {
                return Ok(());
            }
            fsetxattr(file, &self.name, &self.value, XattrFlags::empty())
        }

        /// Whether a write removes it: what the file may do is not for any content.
        fn is_late(&self) -> bool {
            self.name.as_bytes() == b"security.capability"
        }
    }

    /// Gives `draft` all attributes of `existing`, and returns those to be set
    /// again. If it cannot, it returns what cannot be kept, as a clause.
    pub(super) fn keep(
        existing: &File,
        draft: &File,
    ) -> std::result::Result<Vec<Attribute>, String> {
        let attributes = all(existing)
            .map_err(|cause| format!("its extended attributes cannot be read: {cause}"))?;
        remove_inherited_list(draft).map_err(|cause| cause.to_string())?;
        for attribute in &attributes {
            attribute.set(draft).map_err(|cause| {
                let name = attribute.name.to_string_lossy();
                format!("its extended attribute {name} cannot be kept: {cause}")
            })?;
        }
        Ok(attributes.into_iter().filter(Attribute::is_late).collect())
    }

    /// Gives `draft` the access list of `model`, or none if that has none. Returns
    /// whether it could.
    pub(super) fn copy_access_list(model: &File, draft: &File) -> io::Result<bool> {
        remove_inherited_list(draft)?;
        let name = CString::new(ACCESS_LIST)?;
        Ok(match get(model, &name)? {
            Some(value) => Attribute { name, value }.set(draft).is_ok(),
            None => true,
        })
    }

    /// A folder may give each new file an access list, which is not this one's.
    fn remove_inherited_list(draft: &File) -> Result<()> {
        match fremovexattr(draft, ACCESS_LIST) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn all(file: &File) -> Result<Vec<Attribute>> {
        let names = match read(|buffer| flistxattr(file, buffer)) {
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            names => names?,
        };
        let mut attributes = Vec::new();
        for name in names.split(|byte| *byte == 0) {
            let is_of_the_content = OF_THE_CONTENT.iter().any(|it| it.as_bytes() == name);
            if name.is_empty() || is_of_the_content {
                continue;
            }
            let name = CString::new(name).map_err(|_| Errno::INVAL)?;
            // One that is gone by now need not be kept.
            if let Some(value) = get(file, &name)? {
                attributes.push(Attribute { name, value });
            }
        }
        Ok(attributes)
    }

    fn get(file: &File, name: &CString) -> Result<Option<Vec<u8>>> {
        match read(|buffer| fgetxattr(file, name, buffer)) {
            Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
            value => value.map(Some),
        }
    }

    /// Reads what is of unknown length, with as much room as it may need.
    fn read(read: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<Vec<u8>> {
        /// The most that Linux allows for a value, and for all names together.
        const MOST: usize = 64 * 1024;
        let mut buffer = vec![0; MOST];
        let len = read(&mut buffer)?;
        buffer.truncate(len);
        Ok(buffer)
    }
}
