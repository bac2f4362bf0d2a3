//! Measures the page and takes screenshots in Chrome. Run by `cargo run -p tests -- page`
//! and `-- screenshots`, which build the program and the page first.
//!
//! `budgets` measures with `probe.js` in the page, `play` operates the page, `sizes`
//! reads the bundle's output, `table` prints the results, `screenshots` takes
//! screenshots, and `simulation` serves `bench simulation`.

mod budgets;
mod play;
mod screenshots;
mod simulation;
mod sizes;
mod table;

#[allow(dead_code, reason = "shared with the e2e cases, which use more of it")]
#[path = "../appearance.rs"]
mod appearance;
#[allow(dead_code, reason = "shared with the e2e cases, which use more of it")]
#[path = "../browser.rs"]
mod browser;
#[allow(dead_code, reason = "shared with the e2e cases, which use more of it")]
#[path = "../console.rs"]
mod console;
#[path = "../driver.rs"]
mod driver;
#[allow(dead_code, reason = "shared with the e2e cases, which use more of it")]
#[path = "../experiment.rs"]
mod experiment;
#[path = "../firefox.rs"]
mod firefox;
#[path = "../../src/million_users.rs"]
mod million_users;
#[path = "../native.rs"]
mod native;
#[allow(dead_code, reason = "shared with the e2e cases, which use more of it")]
#[path = "../server.rs"]
mod server;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tests: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [what, path] = arguments.as_slice() else {
        bail!("run this with `cargo run -p tests -- page` or `-- screenshots`");
    };
    let path = Path::new(path);
    match what.as_str() {
        "budgets" => {
            let table = budgets::measure(path).await?;
            print!("{table}");
            Ok(ExitCode::from(u8::from(!table.is_within_budget())))
        }
        "simulation" => {
            simulation::measure(path).await?;
            Ok(ExitCode::SUCCESS)
        }
        "screenshots" => {
            screenshots::take(path).await?;
            Ok(ExitCode::SUCCESS)
        }
        other => bail!("unknown command {other}"),
    }
}
