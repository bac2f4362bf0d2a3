//! The child side: runs one program of a scenario and reports to the parent.

use super::{command, lost};
use crate::{
    compute::NativeCompute,
    panic_report::{LOOP_THREAD, RunFailure},
    platform::{NativeSpawn, NativeTimer},
};
use futures::{
    FutureExt,
    channel::mpsc::{self, UnboundedReceiver},
};
use highwater::{
    platform::{Exit, ParentLink, Platform, ProcessContext, ProcessEvent, ProcessInput, Program},
    scenario,
};
use std::{
    io::{self, BufRead, Write},
    panic::AssertUnwindSafe,
    process::{self, ExitCode},
    rc::Rc,
    sync::Arc,
    thread,
};
use tokio::task::LocalSet;

/// Runs the child's program to completion if this process was started as a child.
/// Otherwise, returns `None`. Must be called before any thread is started.
pub(crate) fn run_as_child() -> Option<ExitCode> {
    let name = command::program()?;
    let Some(program) = find(&name) else {
        send(&ProcessEvent::Exited(lost(&format!(
            "unknown program \"{name}\""
        ))));
        return Some(ExitCode::from(2));
    };
    Some(run(program))
}

fn find(name: &str) -> Option<&'static Program> {
    #[cfg(all(test, target_os = "linux"))]
    if let Some(program) = super::tests::program(name) {
        return Some(program);
    }
    scenario::program(name)
}

/// Runs the event loop on its own thread, and reads standard input on this one. The child
/// thus detects that its parent has exited even if its loop is blocked.
fn run(program: &'static Program) -> ExitCode {
    let (inbox, messages) = mpsc::unbounded();
    let started = thread::Builder::new()
        .name(LOOP_THREAD.to_owned())
        .spawn(move || {
            let exit = match complete(program, messages) {
                Ok(Ok(())) => Exit::Finished,
                Ok(Err(bug)) => bug.into(),
                Err(cause) => lost(&format!("cannot start the runtime: {cause}")),
            };
            let code = if exit.is_bug() { 101 } else { 0 };
            send(&ProcessEvent::Exited(exit));
            process::exit(code);
        });
    if let Err(cause) = started {
        send(&ProcessEvent::Exited(lost(&format!(
            "cannot start a thread: {cause}"
        ))));
        return ExitCode::FAILURE;
    }
    for line in io::stdin().lock().lines() {
        match line.ok().as_deref().and_then(ProcessInput::from_line) {
            // Fails if the inbox is closed.
            Some(ProcessInput::Message(text)) => drop(inbox.unbounded_send(text)),
            Some(ProcessInput::Close) => inbox.close_channel(),
            None => break,
        }
    }
    // The parent is gone, so there is nothing left to do.
    process::exit(1);
}

fn complete(
    program: &'static Program,
    messages: UnboundedReceiver<String>,
) -> io::Result<Result<(), RunFailure>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let tasks = LocalSet::new();
    Ok(tasks.block_on(&runtime, async {
        let (spawn, mut bugs) = NativeSpawn::new();
        let stop = Arc::default();
        let timer = Arc::new(NativeTimer::start(Arc::clone(&stop)));
        let platform =
            Platform::new(timer, Rc::new(spawn)).with_compute(Rc::new(NativeCompute::new(stop)));
        let context = ProcessContext::new(platform, messages, Rc::new(StdoutLink));
        let program = async move { (program.run)(context).await };
        tokio::select! {
            // A task that waited for the panicked one may panic in turn. The first panic
            // is the cause.
            biased;
            Some(bug) = bugs.recv() => Err(bug),
            ended = AssertUnwindSafe(program).catch_unwind() => {
                ended.map_err(|panic| RunFailure::of(&*panic))
            }
        }
    }))
}

/// The link to the parent, over standard output.
struct StdoutLink;

impl ParentLink for StdoutLink {
    fn send(&self, event: ProcessEvent) {
        send(&event);
    }
}

fn send(event: &ProcessEvent) {
    let line = event.to_line() + "\n";
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(line.as_bytes());
    if written.and_then(|()| stdout.flush()).is_err() {
        // The parent is gone.
        process::exit(1);
    }
}
