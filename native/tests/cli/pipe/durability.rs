//! Errors that the operating system reports only on sync.

use super::{data, names, text};
use crate::support::{Finished, command};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};
use std::{collections::BTreeMap, env::consts::ARCH, fs, thread};

#[cfg(target_arch = "x86_64")]
const FSYNC: i64 = 74;
#[cfg(not(target_arch = "x86_64"))]
const FSYNC: i64 = 82;

/// Runs the binary while `fsync` fails as on a broken disk: always, or for descriptors that
/// meet the conditions.
fn run_without_fsync(arguments: &[&str], conditions: Vec<SeccompCondition>) -> Finished {
    let rules = if conditions.is_empty() {
        vec![]
    } else {
        vec![SeccompRule::new(conditions).unwrap()]
    };
    let error = u32::try_from(nix::errno::Errno::EIO as i32).unwrap();
    let filter = SeccompFilter::new(
        BTreeMap::from([(FSYNC, rules)]),
        SeccompAction::Allow,
        SeccompAction::Errno(error),
        ARCH.try_into().unwrap(),
    );
    let filter: BpfProgram = filter.unwrap().try_into().unwrap();
    // The filter applies to this thread and its child processes.
    thread::scope(|scope| {
        let run = scope.spawn(move || {
            apply_filter(&filter).unwrap();
            Finished::of(command(arguments).output().unwrap())
        });
        run.join().unwrap()
    })
}

#[test]
fn failed_sync_keeps_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, data(300_000)).unwrap();
    fs::write(&output, "old").unwrap();
    for option in ["--upper", "--gzip"] {
        let done = run_without_fsync(&["pipe", text(&input), text(&output), option], vec![]);
        assert_eq!(done.code, Some(1), "{done:?}");
        let message = format!("error: output failed: {}: Input/output", output.display());
        assert!(done.stderr.starts_with(&message), "{done:?}");
        assert_eq!(fs::read_to_string(&output).unwrap(), "old");
        assert_eq!(names(folder.path()), ["in", "out"]);
    }
}

#[test]
fn failed_sync_of_overwritten_file_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, "new").unwrap();
    fs::write(&output, "old").unwrap();
    let arguments = ["pipe", text(&input), text(&output), "--in-place"];
    let done = run_without_fsync(&arguments, vec![]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("Input/output error"), "{done:?}");
    assert!(done.stderr.contains("out is incomplete"), "{done:?}");
}

/// The output file is synced first, then its folder. One of the descriptors below 40 is
/// the folder's.
#[test]
fn failed_sync_of_folder_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, "new").unwrap();
    let failed = (0..40).find_map(|descriptor| {
        let condition =
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, descriptor);
        let arguments = ["pipe", text(&input), text(&output)];
        let done = run_without_fsync(&arguments, vec![condition.unwrap()]);
        (done.code == Some(1) && done.stderr.contains("may be lost")).then_some(done)
    });
    let done = failed.expect("the folder was not synced");
    assert!(done.stderr.contains("it is complete, but"), "{done:?}");
    assert_eq!(fs::read_to_string(&output).unwrap(), "new");
}

/// Durability of a stream is up to its reader.
#[test]
fn streams_are_not_synced() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    fs::write(&input, "text").unwrap();
    for output in ["-", "/dev/null"] {
        let done = run_without_fsync(&["pipe", text(&input), output], vec![]);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
}
