//! Metadata of output files: permissions, owner, access list and extended attributes.

use super::{data, path_str};
use crate::support::{command, highwater, wait_until};
use std::{
    fs,
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
    process::Stdio,
};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn new_file_has_the_permissions_of_the_input() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, data(1000)).unwrap();
    for option in ["--upper", "--gzip"] {
        for permissions in [0o600, 0o640, 0o644, 0o666, 0o755, 0o400, 0o4755, 0o2711] {
            set_mode(&input, permissions);
            let result = highwater(&["pipe", path_str(&input), path_str(&output), option]);
            assert_eq!(result.code, Some(0), "{result:?}");
            // Set-user-id and set-group-id bits are not copied.
            assert_eq!(mode(&output), permissions & 0o777, "{permissions:o}");
            fs::remove_file(&output).unwrap();
        }
    }
}

#[test]
fn replaced_file_keeps_its_permissions() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, "new").unwrap();
    set_mode(&input, 0o644);
    for permissions in [0o600, 0o640, 0o664, 0o755, 0o4711] {
        fs::write(&output, "old").unwrap();
        set_mode(&output, permissions);
        let result = highwater(&["pipe", path_str(&input), path_str(&output)]);
        assert_eq!(result.code, Some(0), "{result:?}");
        assert_eq!(fs::read_to_string(&output).unwrap(), "new");
        assert_eq!(mode(&output), permissions);
    }
}

/// The output is not readable by others before it is complete.
#[test]
fn temporary_file_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    fs::write(&output, "old").unwrap();
    set_mode(&output, 0o666);
    let mut child = command(&["pipe", "-", path_str(&output)])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&data(1 << 20)).unwrap();
    let part = || {
        let entries = folder.path().read_dir().unwrap().flatten();
        let mut parts = entries.map(|entry| entry.path());
        parts.find(|path| path.extension().is_some_and(|it| it == "part"))
    };
    wait_until("a temporary file", || part().is_some());
    assert_eq!(mode(&part().unwrap()), 0o600);
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert_eq!(mode(&output), 0o666);
}

#[test]
fn root_copies_the_owner_to_new_files() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, "new").unwrap();
    chown(&input, Some(4321), Some(1234)).unwrap();
    set_mode(&input, 0o640);
    assert_eq!(
        highwater(&["pipe", path_str(&input), path_str(&output)]).code,
        Some(0)
    );
    let found = fs::metadata(&output).unwrap();
    assert_eq!((found.uid(), found.gid()), (4321, 1234));
    assert_eq!(mode(&output), 0o640);
}

/// If a file keeps its own group, that group does not get the rights of the input's
/// group.
#[test]
fn different_group_gets_no_extra_permissions() {
    use std::os::unix::process::CommandExt;
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    let program = super::binary_for_all_users(folder.path());
    set_mode(folder.path(), 0o777);
    fs::write(&input, "new").unwrap();
    chown(&input, Some(65534), Some(1234)).unwrap();
    for (permissions, expected) in [(0o640, 0o600), (0o664, 0o644), (0o604, 0o600)] {
        set_mode(&input, permissions);
        let status = std::process::Command::new(&program)
            .args(["pipe", path_str(&input), path_str(&output)])
            .uid(65534)
            .gid(65534)
            .status();
        assert!(status.unwrap().success());
        assert_eq!(mode(&output), expected, "{permissions:o}");
        fs::remove_file(&output).unwrap();
    }
}

#[cfg(target_os = "linux")]
mod extended {
    use super::{fs, highwater, mode, path_str, set_mode};
    use rustix::fs::{XattrFlags, getxattr, setxattr};
    use std::path::Path;

    const ACCESS_LIST: &str = "system.posix_acl_access";

    fn set(path: &Path, name: &str, value: &[u8]) -> bool {
        setxattr(path, name, value, XattrFlags::empty()).is_ok()
    }

    fn get(path: &Path, name: &str) -> Option<Vec<u8>> {
        let mut value = [0; 1000];
        let len = getxattr(path, name, &mut value[..]).ok()?;
        Some(value[..len].to_vec())
    }

    /// Returns an access list: the owner reads and writes, user 1234 reads, others have no
    /// access.
    fn access_list() -> Vec<u8> {
        let entries: [(u16, u16, u32); 5] = [
            (1, 6, u32::MAX),
            (2, 4, 1234),
            (4, 0, u32::MAX),
            (0x10, 4, u32::MAX),
            (0x20, 0, u32::MAX),
        ];
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, rights, id) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(rights.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        list
    }

    #[test]
    fn replaced_file_keeps_its_access_list_and_attributes() {
        let folder = tempfile::tempdir().unwrap();
        let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
        fs::write(&input, "new").unwrap();
        fs::write(&output, "old").unwrap();
        set_mode(&output, 0o600);
        if !set(&output, "user.origin", b"here") || !set(&output, ACCESS_LIST, &access_list()) {
            // The file system does not support extended attributes.
            return;
        }
        let result = highwater(&["pipe", path_str(&input), path_str(&output)]);
        assert_eq!(result.code, Some(0), "{result:?}");
        assert_eq!(fs::read_to_string(&output).unwrap(), "new");
        assert_eq!(get(&output, "user.origin"), Some(b"here".to_vec()));
        assert_eq!(get(&output, ACCESS_LIST), Some(access_list()));
    }

    #[test]
    fn new_file_has_the_access_list_of_the_input() {
        let folder = tempfile::tempdir().unwrap();
        let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
        fs::write(&input, "new").unwrap();
        if !set(&input, ACCESS_LIST, &access_list()) {
            return;
        }
        assert_eq!(
            highwater(&["pipe", path_str(&input), path_str(&output)]).code,
            Some(0)
        );
        assert_eq!(get(&output, ACCESS_LIST), Some(access_list()));
        assert_eq!(mode(&output), 0o640, "the group bits are the mask");
    }

    /// A folder's default access list must not widen access to a private file.
    #[test]
    fn inherited_access_list_does_not_widen_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let [input, old, new] = ["in", "old", "new"].map(|name| folder.path().join(name));
        for path in [&input, &old] {
            fs::write(path, "text").unwrap();
            set_mode(path, 0o640);
        }
        if !set(folder.path(), "system.posix_acl_default", &access_list()) {
            return;
        }
        for output in [&old, &new] {
            let result = highwater(&["pipe", path_str(&input), path_str(output)]);
            assert_eq!(result.code, Some(0), "{result:?}");
            assert_eq!(get(output, ACCESS_LIST), None);
            assert_eq!(mode(output), 0o640);
        }
    }
}
