//! File metadata: permissions, owner, access list and extended attributes.

#[cfg(not(unix))]
use std::{fs::File, io};

/// Metadata to set once a draft is complete. Other metadata is set when the draft is
/// created.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    /// The permission bits to set, if any.
    #[cfg(unix)]
    mode: Option<u32>,
    /// Extended attributes that the system removes on every write.
    #[cfg(target_os = "linux")]
    deferred: Vec<extended::Attribute>,
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
        /// Copies the metadata of the existing file. The draft stays private until
        /// [`apply`](Self::apply).
        ///
        /// # Errors
        ///
        /// A message that names the metadata that cannot be preserved.
        pub(in super::super) fn preserve(existing: &File, draft: &File) -> Result<Self, String> {
            let metadata = existing.metadata().map_err(|cause| cause.to_string())?;
            let (user, group) = (metadata.uid(), metadata.gid());
            set_owner(draft, user, group).map_err(|cause| {
                format!("its owner {user} and group {group} cannot be preserved: {cause}")
            })?;
            #[cfg(target_os = "linux")]
            let deferred = super::extended::preserve(existing, draft)?;
            make_private(draft).map_err(|cause| cause.to_string())?;
            Ok(Attributes {
                mode: Some(metadata.mode() & 0o7777),
                #[cfg(target_os = "linux")]
                deferred,
            })
        }

        /// Copies the permissions of `model` to a new file. Never grants more access than
        /// `model`.
        ///
        /// # Errors
        ///
        /// I/O errors.
        pub(in super::super) fn copy_permissions(model: &File, draft: &File) -> io::Result<Self> {
            let metadata = model.metadata()?;
            // Root can change the owner. Other users can only switch between their own
            // groups.
            let is_same_group = set_owner(draft, metadata.uid(), metadata.gid()).is_ok()
                || set_owner(draft, draft.metadata()?.uid(), metadata.gid()).is_ok();
            let mut mode = metadata.mode() & 0o777;
            if !is_same_group {
                // Members of the model's group may now fall under "others", and the
                // reverse. Both classes get only the rights that both had.
                let common_bits = (mode >> 3) & mode & 0o7;
                mode = mode & 0o700 | common_bits << 3 | common_bits;
            }
            #[cfg(target_os = "linux")]
            if !super::extended::copy_access_list(model, draft)? {
                // With an access list, the group bits are its mask, not the group's
                // rights.
                mode &= 0o707;
            }
            make_private(draft)?;
            Ok(Attributes {
                mode: Some(mode),
                ..Attributes::default()
            })
        }

        /// Sets the remaining metadata on the complete file.
        ///
        /// # Errors
        ///
        /// I/O errors.
        pub(in super::super) fn apply(&self, draft: &File) -> io::Result<()> {
            #[cfg(target_os = "linux")]
            for attribute in &self.deferred {
                attribute.set(draft)?;
            }
            match self.mode {
                Some(mode) => draft.set_permissions(Permissions::from_mode(mode)),
                None => Ok(()),
            }
        }
    }

    /// Sets the owner and group of a file, unless they are already correct.
    fn set_owner(file: &File, user: u32, group: u32) -> io::Result<()> {
        let current = file.metadata()?;
        if (current.uid(), current.gid()) == (user, group) {
            return Ok(());
        }
        // Only root may pass a user id, even the current one.
        let user = (current.uid() != user).then_some(user);
        fchown(file, user, Some(group))
    }

    fn make_private(file: &File) -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(0o600))
    }
}

#[cfg(not(unix))]
impl Attributes {
    /// Does nothing: only Unix metadata is supported.
    pub(super) fn preserve(_existing: &File, _draft: &File) -> Result<Self, String> {
        Ok(Attributes::default())
    }

    /// Does nothing: only Unix metadata is supported.
    pub(super) fn copy_permissions(_model: &File, _draft: &File) -> io::Result<Self> {
        Ok(Attributes::default())
    }

    /// Does nothing: only Unix metadata is supported.
    pub(super) fn apply(&self, _draft: &File) -> io::Result<()> {
        Ok(())
    }
}

/// Extended attributes. On Linux, they include access lists.
#[cfg(target_os = "linux")]
mod extended {
    use rustix::{
        fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr},
        io::{Errno, Result},
    };
    use std::{ffi::CString, fs::File, io};

    const ACCESS_LIST: &str = "system.posix_acl_access";

    /// Signatures of the old content. Only the system can set them.
    const SIGNATURES: [&str; 2] = ["security.ima", "security.evm"];

    /// An extended attribute.
    #[derive(Debug)]
    pub(super) struct Attribute {
        name: CString,
        value: Vec<u8>,
    }

    impl Attribute {
        /// Sets the attribute, unless it already has this value.
        pub(super) fn set(&self, file: &File) -> Result<()> {
            let is_unchanged = get(file, &self.name)?.is_some_and(|value| value == self.value);
            if is_unchanged {
                return Ok(());
            }
            fsetxattr(file, &self.name, &self.value, XattrFlags::empty())
        }

        /// Returns whether the system removes the attribute on every write.
        fn is_deferred(&self) -> bool {
            self.name.as_bytes() == b"security.capability"
        }
    }

    /// Copies all attributes of `existing` to `draft`. Returns the ones to set again once
    /// the draft is complete.
    ///
    /// # Errors
    ///
    /// A message that names the attribute that cannot be preserved.
    pub(super) fn preserve(
        existing: &File,
        draft: &File,
    ) -> std::result::Result<Vec<Attribute>, String> {
        let attributes = read_all(existing)
            .map_err(|cause| format!("its extended attributes cannot be read: {cause}"))?;
        remove_inherited_list(draft).map_err(|cause| cause.to_string())?;
        for attribute in &attributes {
            attribute.set(draft).map_err(|cause| {
                let name = attribute.name.to_string_lossy();
                format!("its extended attribute {name} cannot be preserved: {cause}")
            })?;
        }
        Ok(attributes
            .into_iter()
            .filter(Attribute::is_deferred)
            .collect())
    }

    /// Copies the access list of `model` to `draft`, or removes the draft's if `model` has
    /// none. Returns whether that succeeded.
    pub(super) fn copy_access_list(model: &File, draft: &File) -> io::Result<bool> {
        remove_inherited_list(draft)?;
        let name = CString::new(ACCESS_LIST)?;
        Ok(match get(model, &name)? {
            Some(value) => Attribute { name, value }.set(draft).is_ok(),
            None => true,
        })
    }

    /// Removes the access list that a new file inherits from its folder.
    fn remove_inherited_list(draft: &File) -> Result<()> {
        match fremovexattr(draft, ACCESS_LIST) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn read_all(file: &File) -> Result<Vec<Attribute>> {
        let names = match read(|buffer| flistxattr(file, buffer)) {
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            names => names?,
        };
        let mut attributes = Vec::new();
        for name in names.split(|byte| *byte == 0) {
            let is_signature = SIGNATURES.iter().any(|it| it.as_bytes() == name);
            if name.is_empty() || is_signature {
                continue;
            }
            let name = CString::new(name).map_err(|_| Errno::INVAL)?;
            // It may have been removed since it was listed.
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

    /// Calls `read` with a buffer that fits any value or list of names.
    fn read(read: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<Vec<u8>> {
        /// The Linux limit for a value, and for the list of names.
        const MAX_LEN: usize = 64 * 1024;
        let mut buffer = vec![0; MAX_LEN];
        let len = read(&mut buffer)?;
        buffer.truncate(len);
        Ok(buffer)
    }
}
