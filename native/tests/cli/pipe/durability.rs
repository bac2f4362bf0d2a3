//! Errors that the operating system reports only on sync.

use super::{data, names, path_str};
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

/// Runs the binary with a failing `fsync`, either for all descriptors or for those that
/// meet the conditions.
fn run_with_failing_fsync(arguments: &[&str], conditions: Vec<SeccompCondition>) -> Finished {
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
        let result = run_with_failing_fsync(
            &["pipe", path_str(&input), path_str(&output), option],
            vec![],
        );
        assert_eq!(result.code, Some(1), "{result:?}");
        let message = format!("error: output failed: {}: Input/output", output.display());
        assert!(result.stderr.starts_with(&message), "{result:?}");
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
    let arguments = ["pipe", path_str(&input), path_str(&output), "--in-place"];
    let result = run_with_failing_fsync(&arguments, vec![]);
    assert_eq!(result.code, Some(1), "{result:?}");
    assert!(result.stderr.contains("Input/output error"), "{result:?}");
    assert!(result.stderr.contains("out is incomplete"), "{result:?}");
}

/// The output file is synced first, then its folder. The folder's descriptor is below 40.
#[test]
fn failed_sync_of_folder_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, "new").unwrap();
    let failed = (0..40).find_map(|descriptor| {
        let condition =
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, descriptor);
        let arguments = ["pipe", path_str(&input), path_str(&output)];
        let result = run_with_failing_fsync(&arguments, vec![condition.unwrap()]);
        (result.code == Some(1) && result.stderr.contains("may be lost")).then_some(result)
    });
    let result = failed.expect("the folder was not synced");
    assert!(result.stderr.contains("it is complete, but"), "{result:?}");
    assert_eq!(fs::read_to_string(&output).unwrap(), "new");
}

/// The reader of a stream is responsible for durability.
#[test]
fn streams_are_not_synced() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    fs::write(&input, "text").unwrap();
    for output in ["-", "/dev/null"] {
        let result = run_with_failing_fsync(&["pipe", path_str(&input), output], vec![]);
        assert_eq!(result.code, Some(0), "{result:?}");
    }
}
