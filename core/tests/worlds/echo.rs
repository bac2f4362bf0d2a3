//! A program that executes commands.

use highwater::platform::{ProcessContext, Program};
use std::time::Duration;

/// Executes the commands it receives and echoes any other message.
pub(crate) static ECHO: Program = Program {
    name: "echo",
    run: |context| Box::pin(execute(context)),
};

/// A duration longer than any test.
const FOREVER: Duration = Duration::from_hours(1);

async fn execute(context: ProcessContext) {
    context.ready();
    while let Some(command) = context.recv().await {
        match command.as_str() {
            "crash" => match context.crash("on\ncommand").await {},
            "panic" => panic!("unplanned"),
            "panic in a task" => {
                let task = context.platform().spawn(async { panic!("in a task") });
                let () = task.await;
            }
            "block" => {
                context.send("blocks");
                context.platform().timer().block(FOREVER);
            }
            "return" => return,
            "leave a task" => {
                let (platform, own) = (context.platform().clone(), context.clone());
                drop(context.platform().spawn(async move {
                    platform.sleep(FOREVER).await;
                    own.send("too late");
                }));
            }
            other => context.send(other),
        }
    }
    context.send("closed");
}
