//! The program from outside: what it prints, writes and answers, and with
//! which code it exits. Nothing here depends on how long something takes.

mod errors;
mod http_edges;
mod input;
mod logs;
mod pipe;
mod run;
mod run_stream;
mod serve;
mod server;
mod support;
mod worker_replacement;
