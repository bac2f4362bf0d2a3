//! Being a child: one program of a scenario, and a parent to talk to.

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

/// Runs as a child if this process was started as one, and to its end; `None`
/// if it was not. To be asked before any thread is started.
pub(crate) fn run_as_child() -> Option<ExitCode> {
    let name = command::program()?;
    let Some(program) = find(&name) else {
        say(&ProcessEvent::Exited(lost(&format!(
            "there is no program \"{name}\""
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

/// The loop has a thread of its own. This one reads, so that the end of the
/// parent is noticed whatever the loop does.
fn run(program: &'static Program) -> ExitCode {
    let (inbox, received) = mpsc::unbounded();
    let started = thread::Builder::new()
        .name(LOOP_THREAD.to_owned())
        .spawn(move || {
            let exit = match complete(program, received) {
                Ok(Ok(())) => Exit::Finished,
                Ok(Err(bug)) => bug.into(),
                Err(cause) => lost(&format!("it has no runtime: {cause}")),
            };
            let code = if exit.is_bug() { 101 } else { 0 };
            say(&ProcessEvent::Exited(exit));
            process::exit(code);
        });
    if let Err(cause) = started {
        say(&ProcessEvent::Exited(lost(&format!(
            "it has no thread: {cause}"
        ))));
        return ExitCode::FAILURE;
    }
    for line in io::stdin().lock().lines() {
        match line.ok().as_deref().and_then(ProcessInput::from_line) {
            // Nobody takes it once the program has been told to end.
            Some(ProcessInput::Message(text)) => drop(inbox.unbounded_send(text)),
            Some(ProcessInput::Close) => inbox.close_channel(),
            None => break,
        }
    }
    // The parent is gone: nobody is left to work for, nor to be told.
    process::exit(1);
}

fn complete(
    program: &'static Program,
    received: UnboundedReceiver<String>,
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
        let context = ProcessContext::new(platform, received, Rc::new(Parent));
        let program = async move { (program.run)(context).await };
        tokio::select! {
            // As in a run: the first bug is the one to tell of.
            biased;
            Some(bug) = bugs.recv() => Err(bug),
            ended = AssertUnwindSafe(program).catch_unwind() => {
                ended.map_err(|panic| RunFailure::of(&*panic))
            }
        }
    }))
}

/// Who reads our standard output.
struct Parent;

impl ParentLink for Parent {
    fn send(&self, event: ProcessEvent) {
        say(&event);
    }
}

fn say(event: &ProcessEvent) {
    let line = event.to_line() + "\n";
    let mut stdout = io::stdout().lock();
    let said = stdout.write_all(line.as_bytes());
    if said.and_then(|()| stdout.flush()).is_err() {
        // The parent is gone.
        process::exit(1);
    }
}
