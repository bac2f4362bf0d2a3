//! Problem descriptions, served at the address in a problem's `type` field.

use axum::extract::Path;
use highwater::error::{AppError, Handler};
use std::fmt::Write;

/// The path of the problem descriptions. A problem's type is this path followed by its
/// code.
const PROBLEM_TYPES_PATH: &str = "/problems/";

/// Returns the error handler of both servers.
pub(super) fn error_handler() -> Handler {
    Handler::new().problem_types(PROBLEM_TYPES_PATH)
}

/// A problem's code, and a description of its meaning and remedy.
struct ProblemDoc {
    code: &'static str,
    text: &'static str,
}

/// All problems that this server returns.
const PROBLEMS: [ProblemDoc; 14] = [
    ProblemDoc {
        code: "invalid_input",
        text: "The request is well-formed, but some of its values are not valid. If `errors` is \
               present, it describes the error in each field. Retrying the same request fails \
               again.",
    },
    ProblemDoc {
        code: "malformed_json",
        text: "The body is not valid JSON. `detail` says where the error is. The body may also be \
               nested too deeply: the limit is 128 levels.",
    },
    ProblemDoc {
        code: "not_found",
        text: "There is nothing at this address.",
    },
    ProblemDoc {
        code: "method_not_allowed",
        text: "This address does not support the method. The Allow header lists the supported \
               methods.",
    },
    ProblemDoc {
        code: "too_large",
        text: "The request is larger than the server accepts.",
    },
    ProblemDoc {
        code: "unsupported_media_type",
        text: "The format of the body is not supported: it must be JSON, with the header \
               Content-Type: application/json.",
    },
    ProblemDoc {
        code: "busy",
        text: "The maximum number of runs is in progress. The Retry-After header says when to \
               retry.",
    },
    ProblemDoc {
        code: "timeout",
        text: "The request was not received in time. Retrying may help.",
    },
    ProblemDoc {
        code: "unavailable",
        text: "A resource that the response needs is temporarily unavailable. Try again later.",
    },
    ProblemDoc {
        code: "forbidden",
        text: "This is not allowed.",
    },
    ProblemDoc {
        code: "misdirected_request",
        text: "The request is for a host name that this server does not serve. `detail` says which \
               name, and how to allow it.",
    },
    ProblemDoc {
        code: "conflict",
        text: "The request conflicts with the current state.",
    },
    ProblemDoc {
        code: "failure",
        text: "The server failed. Your request is not the cause, and retrying is unlikely to help. \
               Search the server's log for the `id` to find the details.",
    },
    ProblemDoc {
        code: "internal_error",
        text: "The request hit a bug in the server. Search the server's log for the `id` to find the \
               details. The affected process accepts no more requests and is replaced.",
    },
];

/// `GET /problems/`: lists all problems.
pub(super) async fn list() -> String {
    let mut text = "The problems that this server returns, by code:\n\n".to_owned();
    for ProblemDoc { code, .. } in &PROBLEMS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{PROBLEM_TYPES_PATH}{code}");
    }
    text
}

/// `GET /problems/CODE`: describes one problem.
pub(super) async fn describe(Path(code): Path<String>) -> Result<String, AppError> {
    let problem = PROBLEMS.iter().find(|problem| problem.code == code);
    let problem = problem.ok_or_else(|| {
        AppError::not_found(format!(
            "No problem has this code. See {PROBLEM_TYPES_PATH}."
        ))
    })?;
    Ok(format!("{}\n\n{}\n", problem.code, problem.text))
}
