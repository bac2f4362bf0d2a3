//! A cluster whose processes are all suspended and resumed: no worker counts as hung.

use std::thread;
use std::time::Duration;

use load::cluster::{Cluster, send_signal};
use nix::sys::signal::Signal;

use crate::support::{TIMEOUT, assert_logged, request, start, transcript, wait_for_event};

/// The duration of the suspension, which is longer than the heartbeat timeout.
const SUSPENSION: Duration = Duration::from_millis(5_500);
/// The delay between resuming the supervisor and its workers, in either order.
const RESUME_DELAY: Duration = Duration::from_secs(2);

fn signal_workers(cluster: &Cluster, signal: Signal) {
    for worker in cluster.workers() {
        send_signal(worker, signal).unwrap();
    }
}

#[test]
fn suspension_does_not_kill_workers() {
    let supervisor_first = start(2);
    let workers_first = start(2);
    let clusters = [&supervisor_first, &workers_first];
    let before = clusters.map(Cluster::workers);
    for cluster in clusters {
        cluster.signal(Signal::SIGSTOP).unwrap();
        signal_workers(cluster, Signal::SIGSTOP);
    }
    thread::sleep(SUSPENSION);
    supervisor_first.signal(Signal::SIGCONT).unwrap();
    signal_workers(&workers_first, Signal::SIGCONT);
    thread::sleep(RESUME_DELAY);
    workers_first.signal(Signal::SIGCONT).unwrap();
    signal_workers(&supervisor_first, Signal::SIGCONT);
    for (cluster, before) in clusters.into_iter().zip(before) {
        // The supervisor is running again and receives its workers' messages.
        cluster.signal(Signal::SIGTTIN).unwrap();
        let ready = cluster.wait_for(TIMEOUT, |events| {
            let ready = events.iter().filter(|event| event.event == "ready").count();
            (ready == 3).then_some(())
        });
        assert!(ready.is_some(), "{}", transcript(cluster));
        assert_eq!(request(cluster.addr(), "GET", "/").status, 200);
        assert_eq!(cluster.count("killed"), 0, "{}", transcript(cluster));
        assert_eq!(cluster.workers()[..2], before, "{}", transcript(cluster));
        assert_logged(cluster, &["suspended for"]);
    }
    // A hung worker is still detected.
    let hung = supervisor_first.workers()[0];
    send_signal(hung, Signal::SIGSTOP).unwrap();
    wait_for_event(&supervisor_first, "killed", 1);
}
