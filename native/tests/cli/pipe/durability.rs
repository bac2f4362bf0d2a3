//! Errors that the system reports only when a file is synced or closed.

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

/// Runs the program while each `fsync` fails as on a broken disk, or only those of
/// descriptors that meet a condition.
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
    // It holds for this thread and whatever it starts.
    thread::scope(|scope| {
        let run = scope.spawn(move || {
            apply_filter(&filter).unwrap();
            Finished::of(command(arguments).output().unwrap())
        });
        run.join().unwrap()
    })
}

#[test]
fn file_that_is_not_on_the_disk_does_not_replace_the_old_one() {
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
fn overwritten_file_that_is_not_on_the_disk_is_reported() {
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

/// The first file that is synced is the output, the second its folder, and a
/// descriptor is the lowest that is free: only the folder's is refused here.
#[test]
fn folder_that_is_not_on_the_disk_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, "new").unwrap();
    let refused = (0..40).find_map(|descriptor| {
        let condition =
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, descriptor);
        let arguments = ["pipe", text(&input), text(&output)];
        let done = run_without_fsync(&arguments, vec![condition.unwrap()]);
        (done.code == Some(1) && done.stderr.contains("may be lost")).then_some(done)
    });
    let done = refused.expect("the folder is synced, too");
    assert!(done.stderr.contains("it is complete, but"), "{done:?}");
    assert_eq!(fs::read_to_string(&output).unwrap(), "new");
}

/// What is written to directly is the reader's to make durable.
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
