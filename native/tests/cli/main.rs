//! Tests of the `highwater` binary: output, files, HTTP responses and exit codes. No test
//! depends on timing.

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
